import {
  type Drizzle,
  IdentityDatabase,
  memberships,
  passwords,
  refreshTokens,
  tenants,
  users,
} from '@app/database';
import type { LogIn, Me, Register, Session } from '@app/shared';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { and, asc, eq, isNull } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG } from '../common/config/config.module.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import type { Config } from '../config/config.js';
import { EmailTakenError, InvalidCredentialsError, InvalidRefreshTokenError } from './auth.errors.js';
import { hashOf, makeOpaqueToken } from './opaque-tokens.js';
import { PasswordsService } from './passwords.service.js';
import { type Principal, TokensService } from './tokens.service.js';

@Injectable()
export class AuthService {
  private readonly logger = new Logger(AuthService.name);

  constructor(
    private readonly identity: IdentityDatabase,
    private readonly tokens: TokensService,
    private readonly passwords: PasswordsService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Makes a user and a tenant that the user owns.
   *
   * @throws EmailTakenError
   */
  async register({ email, password, name, tenantName }: Register): Promise<Session> {
    // Before the transaction: hashing takes longer than anything that a transaction should wait for.
    const passwordHash = await this.passwords.hash(password);
    const principal = { userId: uuidv7(), tenantId: uuidv7(), role: 'owner' } as const;
    const { userId, tenantId, role } = principal;
    try {
      return await this.identity.transaction({ userId, tenantId }, async (db) => {
        await db.insert(tenants).values({ id: tenantId, name: tenantName });
        await db.insert(users).values({ id: userId, email, name });
        await db.insert(passwords).values({ userId, hash: passwordHash });
        await db.insert(memberships).values({ tenantId, userId, role });
        return this.openSession(db, principal);
      });
    } catch (error) {
      if (violatedConstraint(error) === 'users_email_key') throw new EmailTakenError();
      throw error;
    }
  }

  /** @throws InvalidCredentialsError */
  async logIn({ email, password, tenantId }: LogIn): Promise<Session> {
    const [user] = await this.identity.transaction({ loginEmail: email }, (db) =>
      db
        .select({ id: users.id, hash: passwords.hash })
        .from(users)
        .innerJoin(passwords, eq(passwords.userId, users.id)),
    );
    if (!(await this.passwords.matches(user?.hash, password)) || user === undefined)
      throw new InvalidCredentialsError();
    return this.identity.transaction({ userId: user.id }, async (db, show) => {
      const [membership] = await db
        .select({ tenantId: memberships.tenantId, role: memberships.role })
        .from(memberships)
        .where(
          and(
            eq(memberships.userId, user.id),
            tenantId === undefined ? undefined : eq(memberships.tenantId, tenantId),
          ),
        )
        .orderBy(asc(memberships.createdAt))
        .limit(1);
      // A tenant that the user does not belong to is answered like a wrong password.
      if (membership === undefined) throw new InvalidCredentialsError();
      await show({ tenantId: membership.tenantId });
      return this.openSession(db, { userId: user.id, ...membership });
    });
  }

  /**
   * Exchanges a refresh token, which is good for one use. A second use means that two hold it, one of whom should not:
   * then all tokens of that log-in end.
   *
   * @throws InvalidRefreshTokenError
   */
  async refresh(token: string): Promise<Session> {
    const tokenHash = hashOf(token);
    const outcome = await this.identity.transaction(
      { refreshHash: tokenHash.toString('hex') },
      async (db, show) => {
        const [found] = await db.select().from(refreshTokens).where(eq(refreshTokens.hash, tokenHash));
        if (found === undefined) return 'unknown';
        const { tenantId, userId, familyId, id } = found;
        await show({ tenantId, userId });
        // Two at the same time: one of them finds it used already.
        const [used] = await db
          .update(refreshTokens)
          .set({ usedAt: new Date() })
          .where(and(eq(refreshTokens.id, id), isNull(refreshTokens.usedAt), isNull(refreshTokens.revokedAt)))
          .returning({ id: refreshTokens.id });
        if (used === undefined) {
          await revokeFamily(db, familyId);
          return found.revokedAt === null ? 'used twice' : 'revoked';
        }
        if (found.expiresAt <= new Date()) return 'expired';
        const [membership] = await db
          .select({ role: memberships.role })
          .from(memberships)
          .where(and(eq(memberships.tenantId, tenantId), eq(memberships.userId, userId)));
        if (membership === undefined) return 'no member';
        return this.openSession(db, { tenantId, userId, role: membership.role }, familyId);
      },
    );
    if (typeof outcome !== 'string') return outcome;
    if (outcome === 'used twice') this.logger.warn('a refresh token was used twice; its log-in has ended');
    throw new InvalidRefreshTokenError(outcome);
  }

  /** Ends a log-in: its refresh tokens at once, its access tokens when they expire. An unknown token is no error. */
  async logOut(token: string): Promise<void> {
    const tokenHash = hashOf(token);
    await this.identity.transaction({ refreshHash: tokenHash.toString('hex') }, async (db, show) => {
      const [found] = await db.select().from(refreshTokens).where(eq(refreshTokens.hash, tokenHash));
      if (found === undefined) return;
      await show({ tenantId: found.tenantId });
      await revokeFamily(db, found.familyId);
    });
  }

  async me({ userId, tenantId, role }: Principal): Promise<Me> {
    const [user] = await this.identity.transaction({ userId }, (db) =>
      db
        .select({ id: users.id, email: users.email, name: users.name })
        .from(users)
        .where(eq(users.id, userId)),
    );
    if (user === undefined) throw new InvalidRefreshTokenError('no user');
    return { ...user, tenantId, role };
  }

  /** Tokens for a principal, in a transaction that acts for the tenant. A new log-in begins a family of its own. */
  async openSession(db: Drizzle, principal: Principal, familyId: string = uuidv7()): Promise<Session> {
    const { token, hash: tokenHash } = makeOpaqueToken();
    const expiresAt = new Date(Date.now() + this.config.REFRESH_TOKEN_TTL_SECONDS * 1_000);
    const { tenantId, userId, role } = principal;
    await db
      .insert(refreshTokens)
      .values({ tenantId, id: uuidv7(), userId, familyId, hash: tokenHash, expiresAt });
    return {
      accessToken: await this.tokens.signAccessToken(principal),
      expiresIn: this.config.ACCESS_TOKEN_TTL_SECONDS,
      refreshToken: token,
      tenantId,
      role,
    };
  }
}

async function revokeFamily(db: Drizzle, familyId: string): Promise<void> {
  await db
    .update(refreshTokens)
    .set({ revokedAt: new Date() })
    .where(and(eq(refreshTokens.familyId, familyId), isNull(refreshTokens.revokedAt)));
}
