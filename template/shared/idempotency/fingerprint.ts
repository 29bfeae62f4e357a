import { createHash } from 'node:crypto';
import type { Json } from '../errors/domain-error.js';

/** SHA-256 of what a request asks for: the same key with another fingerprint is another request. */
export function fingerprint(request: Json): Buffer {
  return createHash('sha256').update(JSON.stringify(request)).digest();
}
