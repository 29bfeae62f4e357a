import { ValidationError } from '../errors/domain-error.js';

/** Printable ASCII without spaces. */
export const IDEMPOTENCY_KEY_PATTERN = '^[!-~]{1,255}$';

const WELL_FORMED = new RegExp(IDEMPOTENCY_KEY_PATTERN);

/**
 * Checks the `Idempotency-Key` header field (draft-ietf-httpapi-idempotency-key-header), which may be absent.
 *
 * @throws ValidationError
 */
export function readIdempotencyKey(header: string | undefined): string | undefined {
  if (header !== undefined && !WELL_FORMED.test(header)) {
    throw new ValidationError([
      {
        pointer: '/idempotency-key',
        message: 'Idempotency-Key must be 1 to 255 printable ASCII characters without spaces',
      },
    ]);
  }
  return header;
}
