import { createHash, createHmac, randomBytes } from 'node:crypto';

export interface OpaqueToken {
  readonly token: string;
  readonly hash: Buffer;
}

/**
 * A token that says nothing and is looked up: of a session, an invitation or a mail. 256 random bits leave nothing to guess,
 * so its hash, which is all that is stored, needs neither salt nor many rounds.
 */
export function makeOpaqueToken(): OpaqueToken {
  const token = randomBytes(32).toString('base64url');
  return { token, hash: hashOf(token) };
}

/** What is stored of a token: SHA-256. */
export function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/**
 * Returns the token that replaces another. Only its hash is stored, so a refresh whose response was lost derives it again.
 *
 * @param salt random, stored with the token that is replaced; without it a stolen token does not give its successor
 */
export function successorOf(token: string, salt: Buffer): OpaqueToken {
  const successor = createHmac('sha256', salt).update(token).digest('base64url');
  return { token: successor, hash: hashOf(successor) };
}
