import {
  type PipeTransform,
  StandardSchemaValidationPipe,
  type StandardSchemaValidationPipeOptions,
} from '@nestjs/common';
import { ValidationError } from '../errors/domain-error.js';

/** What is not as a schema wants it; Standard Schema says it in the same words for every library. */
type Issues = Parameters<NonNullable<StandardSchemaValidationPipeOptions['exceptionFactory']>>[0];

/** Validates against the Zod schema that a parameter names (`@Body({ schema })`), and reports every fault at once. */
export function createValidationPipe(): PipeTransform {
  return new StandardSchemaValidationPipe({ exceptionFactory: refusal, validateCustomDecorators: true });
}

/** The error that reports `issues`, each with the JSON pointer of what it is about. */
export function refusal(issues: Issues): ValidationError {
  return new ValidationError(
    issues.flatMap((issue) => {
      const path = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
      return (
        unknownMembers(issue)?.map((member) => ({
          pointer: pointerTo([...path, member]),
          message: 'is not known',
        })) ?? [{ pointer: pointerTo(path), message: issue.message }]
      );
    }),
  );
}

/** The members that a strict object does not have; Zod names the object that they are in, and not them. */
function unknownMembers(issue: object): string[] | undefined {
  return 'code' in issue && issue.code === 'unrecognized_keys' && 'keys' in issue
    ? (issue.keys as string[])
    : undefined;
}

/** A JSON pointer (RFC 6901), which escapes ~ and / in the names of members. */
function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
