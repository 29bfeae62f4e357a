export type { Principal } from '../../shared/lib/http/caller.js';

/** A user and the hash of the user's password. */
export interface Credential {
  readonly userId: string;
  readonly passwordHash: string;
}

/** What Better Auth does not do with accounts. */
export interface Accounts {
  findEmail(userId: string): Promise<string | undefined>;

  findCredential(email: string): Promise<Credential | undefined>;

  /** The user for whom a mailed link lets a new password be chosen; undefined if it is invalid or expired. */
  findResetUser(token: string): Promise<string | undefined>;

  /**
   * Uses a mailed link: sets the password, ends all sessions, API keys and other links, and confirms the address, which the
   * link has proved. All of that happens or nothing.
   *
   * @returns the address, or undefined if the link was used by now
   */
  resetPassword(replacement: Credential, token: string): Promise<string | undefined>;

  /**
   * Sets the password and ends all API keys, links and sessions but one, unless the password was replaced after it was
   * checked: then the session ends.
   *
   * @returns whether it is set
   */
  changePassword(checked: Credential, passwordHash: string, sessionToken: string): Promise<boolean>;

  /**
   * Ends a new session if the password was replaced after it was checked.
   *
   * @returns whether it is kept
   */
  keepSession(checked: Credential, sessionToken: string): Promise<boolean>;

  /** Deletes a new API key if the session that created it has ended, or if the user has more than `max`. */
  keepApiKey(
    created: { readonly userId: string; readonly keyId: string; readonly sessionToken: string },
    max: number,
  ): Promise<'kept' | 'logged-out' | 'too-many'>;

  /**
   * Confirms the address of a user, unless the password was replaced after it was checked.
   *
   * @returns whether it is confirmed
   */
  confirmEmail(checked: Credential): Promise<boolean>;

  /**
   * Replaces the password and the name of a sign-up whose address was never confirmed: either sign-up may be a stranger's.
   *
   * @returns false if the address is confirmed by now, or the account is in use without that
   */
  replaceSignUp(replacement: Credential, name: string): Promise<boolean>;
}
