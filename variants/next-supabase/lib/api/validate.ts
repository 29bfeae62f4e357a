import type { z } from 'zod';
import { type InputFault, ValidationError } from '@/lib/errors/domain-error';

/**
 * Checks input against a schema, and reports every fault at once.
 *
 * @throws ValidationError
 */
export function validate<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new ValidationError(result.error.issues.flatMap(faults));
}

function faults(issue: z.core.$ZodIssue): InputFault[] {
  // Zod names the object that the unknown members are in, and not them.
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: pointerTo([...issue.path, key]), message: 'is not known' }));
  }
  return [{ pointer: pointerTo(issue.path), message: issue.message }];
}

/** A JSON pointer (RFC 6901), which escapes ~ and / in the names of members. */
function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
