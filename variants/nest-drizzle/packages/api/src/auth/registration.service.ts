import { IdentityDatabase, memberships, passwords, registrations, tenants, users } from '@app/database';
import type { Register, RegistrationPending, Session, VerifyEmail } from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, gt } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG } from '../common/config/config.module.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { SecurityLog } from '../common/logging/security-log.js';
import { MailService } from '../common/mail/mail.service.js';
import type { Config } from '../config/config.js';
import { EmailTakenError, InvalidCredentialsError, InvalidTokenError } from './auth.errors.js';
import { alreadyRegisteredMail, verificationMail } from './auth.mails.js';
import { AuthService } from './auth.service.js';
import { LoginLimitService } from './login-limit.service.js';
import { MailLimitService } from './mail-limit.service.js';
import { hashOf, makeOpaqueToken } from './opaque-tokens.js';
import { PasswordsService } from './passwords.service.js';

interface NewAccount {
  readonly email: string;
  readonly name: string;
  readonly tenantName: string;
  readonly passwordHash: string;
}

@Injectable()
export class RegistrationService {
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
   * Registers a user and a tenant that the user owns. If AUTH_REQUIRE_VERIFIED_EMAIL is set, both are created when the
   * token of the mail comes back, and the response does not reveal whether the address has an account.
   *
   * @param address of the client
   * @throws DomainError RATE_LIMITED, EmailTakenError unless the address must be verified
   */
  async register(
    { password, ...account }: Register,
    address: string,
  ): Promise<Session | RegistrationPending> {
    await this.mailLimit.countRequest('registration', address);
    if (!this.config.AUTH_REQUIRE_VERIFIED_EMAIL) {
      const session = await this.create({ ...account, passwordHash: await this.passwords.hash(password) });
      await this.limit.forgive(account.email, address);
      return session;
    }
    if (await this.mailLimit.countMail('registration', account.email, address)) {
      const passwordHash = await this.passwords.hash(password);
      await this.requestVerification({ ...account, passwordHash });
    }
    return { status: 'verification_required', expiresIn: this.config.MAIL_TOKEN_TTL_SECONDS };
  }

  /**
   * Creates the account of a registration. The password is required too: somebody who registered a stranger's address would
   * otherwise share the account that the stranger verifies.
   *
   * @throws InvalidTokenError, InvalidCredentialsError, EmailTakenError, DomainError RATE_LIMITED
   */
  async verify({ token, password }: VerifyEmail, address: string): Promise<Session> {
    const hash = hashOf(token);
    const shown = { mailHash: hash.toString('hex') };
    const valid = and(eq(registrations.hash, hash), gt(registrations.expiresAt, new Date()));
    const registration = await this.limit.guardToken(address, async () => {
      const [found] = await this.identity.transaction(shown, (db) =>
        db.select().from(registrations).where(valid),
      );
      if (found === undefined) throw new InvalidTokenError();
      return found;
    });
    return this.limit.guardPassword(registration.email, address, 'owner', async () => {
      if (!(await this.passwords.matches(registration.passwordHash, password)))
        throw new InvalidCredentialsError();
      return this.create(registration, hash);
    });
  }

  /** Does the same work for every address, so that the time of the response reveals nothing either. */
  private async requestVerification(account: NewAccount): Promise<void> {
    const { token, hash } = makeOpaqueToken();
    const expiresAt = new Date(Date.now() + this.config.MAIL_TOKEN_TTL_SECONDS * 1_000);
    const shown = { mailHash: hash.toString('hex'), loginEmail: account.email };
    const isKnown = await this.identity.transaction(shown, async (db) => {
      await db.insert(registrations).values({ ...account, hash, expiresAt });
      return (await db.select({ id: users.id }).from(users)).length > 0;
    });
    const { email } = account;
    this.mail.send(
      isKnown ? alreadyRegisteredMail(email) : verificationMail(email, token, this.config.APP_URL),
    );
  }

  /** @param registration the hash of the token that ends with this */
  private async create(
    { email, name, tenantName, passwordHash }: NewAccount,
    registration?: Buffer,
  ): Promise<Session> {
    const principal = { userId: uuidv7(), tenantId: uuidv7(), role: 'owner' } as const;
    const { userId, tenantId, role } = principal;
    const shown = {
      userId,
      tenantId,
      ...(registration !== undefined && { mailHash: registration.toString('hex') }),
    };
    try {
      const session = await this.identity.transaction(shown, async (db) => {
        if (registration !== undefined) {
          const used = await db
            .delete(registrations)
            .where(eq(registrations.hash, registration))
            .returning({ hash: registrations.hash });
          if (used.length === 0) throw new InvalidTokenError();
        }
        await db.insert(tenants).values({ id: tenantId, name: tenantName });
        await db.insert(users).values({ id: userId, email, name });
        await db.insert(passwords).values({ userId, hash: passwordHash });
        await db.insert(memberships).values({ tenantId, userId, role });
        return this.auth.openSession(db, principal);
      });
      this.securityLog.log('user_created', { userId, tenantId, role });
      return session;
    } catch (error) {
      if (violatedConstraint(error) === 'users_email_key') throw new EmailTakenError();
      throw error;
    }
  }
}
