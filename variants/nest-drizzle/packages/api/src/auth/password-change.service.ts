import {
  type Drizzle,
  IdentityDatabase,
  memberships,
  passwordResets,
  passwords,
  refreshTokens,
  users,
} from '@app/database';
import type { ChangePassword, ResetPassword, Session } from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, gt, isNull, lte } from 'drizzle-orm';
import { CONFIG } from '../common/config/config.module.js';
import { SecurityLog } from '../common/logging/security-log.js';
import { MailService } from '../common/mail/mail.service.js';
import type { Mail } from '../common/mail/transport.js';
import type { Config } from '../config/config.js';
import { InvalidCredentialsError, InvalidTokenError } from './auth.errors.js';
import { passwordChangedMail, resetMail } from './auth.mails.js';
import { AuthService, assertSession } from './auth.service.js';
import { LoginLimitService } from './login-limit.service.js';
import { MailLimitService } from './mail-limit.service.js';
import { hashOf, makeOpaqueToken } from './opaque-tokens.js';
import { PasswordsService } from './passwords.service.js';
import type { Principal } from './tokens.service.js';

/** Changes passwords: with the current one, or with the token of a mail. Either ends the user's sessions in all tenants. */
@Injectable()
export class PasswordChangeService {
  constructor(
    private readonly identity: IdentityDatabase,
    private readonly auth: AuthService,
    private readonly passwords: PasswordsService,
    private readonly limit: LoginLimitService,
    private readonly mailLimit: MailLimitService,
    private readonly mail: MailService,
    private readonly securityLog: SecurityLog,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Changes the caller's password, and returns a new session; all others end.
   *
   * @param address of the client, for the limit of wrong passwords
   * @throws InvalidCredentialsError, SessionEndedError, DomainError RATE_LIMITED
   */
  async change(
    principal: Principal,
    { currentPassword, newPassword }: ChangePassword,
    address: string,
  ): Promise<Session> {
    const { userId, tenantId } = principal;
    const [user] = await this.identity.transaction({ userId, tenantId }, async (db) => {
      await assertSession(db, principal);
      return db
        .select({ email: users.email, hash: passwords.hash })
        .from(users)
        .innerJoin(passwords, eq(passwords.userId, users.id))
        .where(eq(users.id, userId));
    });
    if (user === undefined) throw new InvalidCredentialsError();
    await this.limit.guardPassword(user.email, address, 'owner', async () => {
      if (!(await this.passwords.matches(user.hash, currentPassword)))
        throw new InvalidCredentialsError(userId);
    });
    const hash = await this.passwords.hash(newPassword);
    const session = await this.identity.transaction({ userId, tenantId }, async (db) => {
      const [membership] = await db
        .select({ role: memberships.role })
        .from(memberships)
        .where(and(eq(memberships.userId, userId), eq(memberships.tenantId, tenantId)));
      const changed = await db
        .update(passwords)
        .set({ hash, updatedAt: new Date() })
        .where(and(eq(passwords.userId, userId), eq(passwords.hash, user.hash)))
        .returning({ userId: passwords.userId });
      if (changed.length === 0 || membership === undefined) throw new InvalidCredentialsError();
      await assertSession(db, principal);
      await endAccess(db, userId);
      return this.auth.openSession(db, { userId, tenantId, role: membership.role });
    });
    this.securityLog.log('authn_password_change', { userId, tenantId, by: 'password' });
    this.mail.send(passwordChangedMail(user.email));
    return session;
  }

  /**
   * Sends a token for a new password, if the address has an account. The response never says whether it has.
   *
   * @param address of the client
   * @throws DomainError RATE_LIMITED
   */
  async requestReset(email: string, address: string): Promise<void> {
    await this.mailLimit.countRequest('reset', address);
    if (await this.mailLimit.countMail('reset', email, address))
      this.mail.send(() => this.composeReset(email));
  }

  /**
   * Sets a new password by the token of a mail.
   *
   * @param address of the client, which counts as the owner's from now on
   * @throws InvalidTokenError, DomainError RATE_LIMITED
   */
  async reset({ token, newPassword }: ResetPassword, address: string): Promise<void> {
    const { email, userId } = await this.limit.guardToken(address, () =>
      this.useToken(hashOf(token), newPassword),
    );
    this.securityLog.log('authn_password_change', { userId, by: 'mail' });
    await this.limit.forgive(email, address);
    this.mail.send(passwordChangedMail(email));
  }

  private async composeReset(email: string): Promise<Mail | undefined> {
    const { token, hash } = makeOpaqueToken();
    return this.identity.transaction({ loginEmail: email }, async (db, show) => {
      const [user] = await db.select({ id: users.id }).from(users);
      if (user === undefined) return undefined;
      await show({ userId: user.id });
      await db
        .delete(passwordResets)
        .where(and(eq(passwordResets.userId, user.id), lte(passwordResets.expiresAt, new Date())));
      const expiresAt = new Date(Date.now() + this.config.MAIL_TOKEN_TTL_SECONDS * 1_000);
      await db.insert(passwordResets).values({ userId: user.id, hash, expiresAt });
      return resetMail(email, token, this.config.APP_URL);
    });
  }

  private async useToken(
    tokenHash: Buffer,
    newPassword: string,
  ): Promise<{ readonly email: string; readonly userId: string }> {
    const shown = { mailHash: tokenHash.toString('hex') };
    const valid = and(eq(passwordResets.hash, tokenHash), gt(passwordResets.expiresAt, new Date()));
    const [found] = await this.identity.transaction(shown, (db) =>
      db.select({ userId: passwordResets.userId }).from(passwordResets).where(valid),
    );
    if (found === undefined) throw new InvalidTokenError();
    const { userId } = found;
    const hash = await this.passwords.hash(newPassword);
    return this.identity.transaction({ ...shown, userId }, async (db) => {
      await db.update(passwords).set({ hash, updatedAt: new Date() }).where(eq(passwords.userId, userId));
      const used = await db.delete(passwordResets).where(valid).returning({ userId: passwordResets.userId });
      const [user] = await db.select({ email: users.email }).from(users).where(eq(users.id, userId));
      // The same token twice at once: one of them finds it used, and changes nothing.
      if (used.length === 0 || user === undefined) throw new InvalidTokenError();
      await endAccess(db, userId);
      return { email: user.email, userId };
    });
  }
}

/** Ends the sessions of a user in every tenant, and the other tokens that could set a password. */
async function endAccess(db: Drizzle, userId: string): Promise<void> {
  await db.delete(passwordResets).where(eq(passwordResets.userId, userId));
  await db
    .update(refreshTokens)
    .set({ revokedAt: new Date() })
    .where(and(eq(refreshTokens.userId, userId), isNull(refreshTokens.revokedAt)));
}
