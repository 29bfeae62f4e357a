import { createHash, randomBytes } from 'node:crypto';

/**
 * A token that says nothing and is looked up: of a session, or of an invitation. 256 random bits leave nothing to guess,
 * so its hash, which is all that is stored, needs neither salt nor many rounds.
 */
export function makeOpaqueToken(): { token: string; hash: Buffer } {
  const token = randomBytes(32).toString('base64url');
  return { token, hash: hashOf(token) };
}

/** What is stored of a token: SHA-256. */
export function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
