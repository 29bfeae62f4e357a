import { AsyncLocalStorage } from 'node:async_hooks';
import type { Mail } from '../../shared/lib/mail/transport.js';

/**
 * Better Auth signs up in a transaction. Hashing a password and sending a mail would hold its connection, so the hash is
 * computed before the transaction and the mails are sent after it.
 */
export interface SignUpScope {
  readonly passwordHash: string;
  readonly mails: Mail[];
  /** The user who has the address already and has not confirmed it. */
  unverifiedUserId?: string;
}

export const signUpScope = new AsyncLocalStorage<SignUpScope>();

/** Which hash the password of a sign-in was right for: it may have been replaced by the time that there is a session. */
export interface SignInScope {
  passwordHash?: string;
}

export const signInScope = new AsyncLocalStorage<SignInScope>();
