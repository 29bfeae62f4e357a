import { ValidationError } from '../errors/domain-error.js';

/** No body of this service nests deeper; a validator that recurses must not be led to the end of its stack. */
const MAX_DEPTH = 32;

/**
 * Refuses a parsed body that nests deeper than any DTO does.
 *
 * @throws ValidationError
 */
export function assertJsonDepth(body: unknown): void {
  if (isDeeper(body, MAX_DEPTH)) {
    throw new ValidationError([{ pointer: '', message: `the body nests deeper than ${MAX_DEPTH} levels` }]);
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}
