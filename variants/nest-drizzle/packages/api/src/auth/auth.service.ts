import { randomBytes } from 'node:crypto';
import {
  type Drizzle,
  IdentityDatabase,
  memberships,
  passwords,
  refreshTokens,
  tenants,
  users,
} from '@app/database';
import type { LogIn, Me, OwnTenant, PageQuery, Role, Session } from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG } from '../common/config/config.module.js';
import { type SecurityFields, SecurityLog } from '../common/logging/security-log.js';
import { decodeCursor } from '../common/pagination/cursor.js';
import { type Page, toPage } from '../common/pagination/page.js';
import type { Config } from '../config/config.js';
import {
  InvalidCredentialsError,
  InvalidRefreshTokenError,
  NoLongerAMemberError,
  SessionEndedError,
  TenantNotFoundError,
} from './auth.errors.js';
import { LoginLimitService } from './login-limit.service.js';
import { hashOf, makeOpaqueToken, type OpaqueToken, successorOf } from './opaque-tokens.js';
import { PasswordsService } from './passwords.service.js';
import { type Principal, TokensService } from './tokens.service.js';

@Injectable()
export class AuthService {
  constructor(
    private readonly identity: IdentityDatabase,
    private readonly tokens: TokensService,
    private readonly passwords: PasswordsService,
    private readonly limit: LoginLimitService,
    private readonly securityLog: SecurityLog,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * @param address of the client, for the limit of wrong passwords
   * @throws InvalidCredentialsError, DomainError RATE_LIMITED
   */
  async logIn({ email, password, tenantId }: LogIn, address: string): Promise<Session> {
    return this.limit.guardPassword(email, address, 'address', async () => {
      const [user] = await this.identity.transaction({ loginEmail: email }, (db) =>
        db
          .select({ id: users.id, hash: passwords.hash })
          .from(users)
          .innerJoin(passwords, eq(passwords.userId, users.id)),
      );
      if (!(await this.passwords.matches(user?.hash, password)) || user === undefined)
        throw new InvalidCredentialsError(user?.id);
      return this.identity.transaction({ userId: user.id }, async (db, show) => {
        if ((await lockPassword(db, user.id)) !== user.hash) throw new InvalidCredentialsError(user.id);
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
        if (membership === undefined) throw new InvalidCredentialsError(user.id);
        await show({ tenantId: membership.tenantId });
        return this.openSession(db, { userId: user.id, ...membership });
      });
    });
  }

  /**
   * Exchanges a refresh token for its successor. Within REFRESH_TOKEN_GRACE_SECONDS the same token returns the same
   * successor, for a client whose response was lost or that refreshed twice at once. A later use means that two hold it,
   * one of whom should not: then all tokens of that log-in end.
   *
   * @param target the tenant to switch to; left out, the session stays in its tenant
   * @throws InvalidRefreshTokenError, TenantNotFoundError, after which the token can still be used
   */
  async refresh(token: string, target?: string): Promise<Session> {
    const tokenHash = hashOf(token);
    const reuses: SecurityFields[] = [];
    const outcome = await this.identity.transaction(
      { refreshHash: tokenHash.toString('hex') },
      async (db, show) => {
        const [found] = await db.select().from(refreshTokens).where(eq(refreshTokens.hash, tokenHash));
        if (found === undefined) return 'unknown';
        const { tenantId, userId, familyId, id } = found;
        await show({ tenantId, userId });
        await lockPassword(db, userId);
        const salt = randomBytes(32);
        // Two at the same time: one of them finds it used already.
        const [used] = await db
          .update(refreshTokens)
          .set({ usedAt: sql`now()`, successorSalt: salt })
          .where(and(eq(refreshTokens.id, id), isNull(refreshTokens.usedAt), isNull(refreshTokens.revokedAt)))
          .returning({ id: refreshTokens.id });
        const known = used === undefined ? await this.saltInGrace(db, id) : salt;
        if (known === undefined) {
          // A logout may have ended the session since the first statement.
          const active = await revokeFamily(db, familyId);
          if (!active.includes(id)) return 'revoked';
          reuses.push({ userId, tenantId });
          return 'used twice';
        }
        if (found.expiresAt <= new Date()) return 'expired';
        const own = await ownMemberships(db, userId);
        if (!own.has(tenantId)) return 'no member';
        const successor = successorOf(token, known);
        // A switch of tenants uses a token too: a repeated request stays in the tenant that was switched to.
        const chosen = used === undefined ? await tenantOf(db, successor.hash) : (target ?? tenantId);
        const role = chosen === undefined ? undefined : own.get(chosen);
        if (chosen === undefined || role === undefined) throw new TenantNotFoundError(chosen ?? tenantId);
        const principal = { tenantId: chosen, userId, role };
        if (used === undefined)
          return chosen === (target ?? chosen)
            ? this.present({ ...principal, sessionId: familyId }, successor.token)
            : 'used';
        await show({ tenantId: chosen });
        return this.openSession(db, principal, familyId, successor);
      },
    );
    for (const fields of reuses) this.securityLog.warn('authn_token_reuse', fields);
    if (typeof outcome !== 'string') return outcome;
    throw new InvalidRefreshTokenError(outcome);
  }

  /** Ends a log-in: its refresh tokens, and the writes of its access tokens. An unknown token is no error. */
  async logOut(token: string): Promise<void> {
    const tokenHash = hashOf(token);
    await this.identity.transaction({ refreshHash: tokenHash.toString('hex') }, async (db, show) => {
      const [found] = await db.select().from(refreshTokens).where(eq(refreshTokens.hash, tokenHash));
      if (found === undefined) return;
      await show({ userId: found.userId });
      await revokeFamily(db, found.familyId);
    });
  }

  /** Lists the tenants that the user is a member of, the oldest membership first. */
  async tenants({ userId }: Principal, { limit, cursor }: PageQuery): Promise<Page<OwnTenant>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    const rows = await this.identity.transaction({ userId }, (db) =>
      db
        .select({
          id: tenants.id,
          name: tenants.name,
          role: memberships.role,
          createdAt: memberships.createdAt,
        })
        .from(memberships)
        .innerJoin(tenants, eq(tenants.id, memberships.tenantId))
        .where(
          and(
            eq(memberships.userId, userId),
            after === undefined
              ? undefined
              : sql`(${memberships.createdAt}, ${tenants.id}) > (${after.time.toISOString()}, ${after.id})`,
          ),
        )
        .orderBy(asc(memberships.createdAt), asc(tenants.id))
        .limit(limit + 1),
    );
    return toPage(
      rows,
      limit,
      ({ createdAt, id }) => ({ time: createdAt, id }),
      ({ id, name, role }) => ({ id, name, role }),
    );
  }

  /** The role is the current one, and not that of the token. @throws DomainError INVALID_TOKEN if the user is no member */
  async me({ userId, tenantId }: Principal): Promise<Me> {
    const [user] = await this.identity.transaction({ userId }, (db) =>
      db
        .select({ id: users.id, email: users.email, name: users.name, role: memberships.role })
        .from(users)
        .innerJoin(memberships, and(eq(memberships.userId, users.id), eq(memberships.tenantId, tenantId)))
        .where(eq(users.id, userId)),
    );
    if (user === undefined) throw new NoLongerAMemberError();
    return { ...user, tenantId };
  }

  /**
   * Returns tokens for a principal, in a transaction that acts for the tenant.
   *
   * @param familyId of the log-in that continues; a new log-in begins its own
   * @param refreshToken the successor of the one that was shown
   */
  async openSession(
    db: Drizzle,
    principal: Principal,
    familyId: string = uuidv7(),
    { token, hash }: OpaqueToken = makeOpaqueToken(),
  ): Promise<Session> {
    const expiresAt = new Date(Date.now() + this.config.REFRESH_TOKEN_TTL_SECONDS * 1_000);
    const { tenantId, userId } = principal;
    await db.insert(refreshTokens).values({ tenantId, id: uuidv7(), userId, familyId, hash, expiresAt });
    return this.present({ ...principal, sessionId: familyId }, token);
  }

  /** Returns the salt of a used token that is still in its grace period and not revoked. */
  private async saltInGrace(db: Drizzle, id: string): Promise<Buffer | undefined> {
    const grace = this.config.REFRESH_TOKEN_GRACE_SECONDS;
    const [row] = await db
      .select({ salt: refreshTokens.successorSalt })
      .from(refreshTokens)
      .where(
        and(
          eq(refreshTokens.id, id),
          isNull(refreshTokens.revokedAt),
          sql`${refreshTokens.usedAt} > clock_timestamp() - ${grace} * interval '1 second'`,
        ),
      );
    return row?.salt ?? undefined;
  }

  private async present(principal: Principal, refreshToken: string): Promise<Session> {
    return {
      accessToken: await this.tokens.signAccessToken(principal),
      expiresIn: this.config.ACCESS_TOKEN_TTL_SECONDS,
      refreshToken,
      tenantId: principal.tenantId,
      role: principal.role,
    };
  }
}

/**
 * Returns the hash of a user's password, and keeps it from changing until the transaction ends: a session that opens
 * meanwhile is one that the new password finds and ends.
 */
export async function lockPassword(db: Drizzle, userId: string): Promise<string | undefined> {
  const [row] = await db
    .select({ hash: passwords.hash })
    .from(passwords)
    .where(eq(passwords.userId, userId))
    .for('share');
  return row?.hash;
}

/** @throws SessionEndedError if the login of a principal has ended. The transaction must have shown who the user is. */
export async function assertSession(db: Drizzle, { sessionId, tenantId }: Principal): Promise<void> {
  if (sessionId === undefined) return;
  const [session] = await db
    .select({ id: refreshTokens.id })
    .from(refreshTokens)
    .where(
      and(
        eq(refreshTokens.tenantId, tenantId),
        eq(refreshTokens.familyId, sessionId),
        isNull(refreshTokens.revokedAt),
      ),
    )
    .limit(1);
  if (session === undefined) throw new SessionEndedError();
}

/** The user's role in each of its tenants. The transaction must have shown who the user is. */
async function ownMemberships(db: Drizzle, userId: string): Promise<Map<string, Role>> {
  const rows = await db
    .select({ tenantId: memberships.tenantId, role: memberships.role })
    .from(memberships)
    .where(eq(memberships.userId, userId));
  return new Map(rows.map(({ tenantId, role }) => [tenantId, role]));
}

/** The tenant of a refresh token. The transaction must have shown whose it is. */
async function tenantOf(db: Drizzle, hash: Buffer): Promise<string | undefined> {
  const [row] = await db
    .select({ tenantId: refreshTokens.tenantId })
    .from(refreshTokens)
    .where(eq(refreshTokens.hash, hash));
  return row?.tenantId;
}

/**
 * Ends the tokens of a log-in in every tenant that it has switched to. The transaction must have shown whose they are.
 * Locks first: a statement sees no token that a refresh inserts while the statement waits for it.
 *
 * @returns the ids of the tokens that this has ended
 */
async function revokeFamily(db: Drizzle, familyId: string): Promise<string[]> {
  const ofFamily = eq(refreshTokens.familyId, familyId);
  await db.select({ id: refreshTokens.id }).from(refreshTokens).where(ofFamily).for('update');
  const ended = await db
    .update(refreshTokens)
    .set({ revokedAt: new Date() })
    .where(and(ofFamily, isNull(refreshTokens.revokedAt)))
    .returning({ id: refreshTokens.id });
  return ended.map(({ id }) => id);
}
