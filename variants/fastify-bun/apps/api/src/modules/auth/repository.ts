import { drizzleAdapter } from 'better-auth/adapters/drizzle';
import { and, eq, getTableColumns, gt, is, like, ne, sql } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import type { Database, Transaction } from '../../shared/db/client.js';
import * as schema from '../../shared/db/schema/index.js';
import { transact } from '../../shared/db/transaction.js';
import type { Accounts, Credential } from './types.js';

const { accounts, apiKeys, sessions, users, verifications } = schema;

/** Where the rows of users are, modules included, and whose they are. Accounts are no sign of use: a sign-up makes one. */
const USES = Object.values(schema).flatMap((table) => {
  if (!is(table, PgTable) || table === accounts) return [];
  const owner = Object.values(getTableColumns(table)).find(({ name }) => name === 'user_id');
  return owner === undefined ? [] : [{ table, owner }];
});

const linkFor = (token: string) => eq(verifications.identifier, `reset-password:${token}`);

/** Where Better Auth keeps what it knows: tables and migrations are ours. */
export function createAuthRepository(db: Database) {
  return drizzleAdapter(db, {
    provider: 'pg',
    transaction: true,
    schema: {
      user: users,
      session: sessions,
      account: accounts,
      verification: verifications,
      apikey: apiKeys,
    },
  });
}

/** What Better Auth does not do with accounts. */
export function createAccountRepository(db: Database): Accounts {
  const ofPassword = (userId: string | typeof users.id) =>
    and(eq(accounts.userId, userId), eq(accounts.providerId, 'credential'));

  async function lockUser(tx: Transaction, userId: string) {
    const [user] = await tx
      .select({ email: users.email, emailVerified: users.emailVerified })
      .from(users)
      .where(eq(users.id, userId))
      .for('update');
    return user;
  }

  /** Whether a password that was right is still the user's; it is until the transaction ends. */
  async function hasPassword(tx: Transaction, { userId, passwordHash }: Credential): Promise<boolean> {
    await lockUser(tx, userId);
    const [row] = await tx.select({ password: accounts.password }).from(accounts).where(ofPassword(userId));
    return row?.password === passwordHash;
  }

  /** Deletes what was issued under an older password: sessions, API keys, and mailed links for a new password. */
  async function endAccess(tx: Transaction, userId: string, keptSession?: string): Promise<void> {
    const isOther = keptSession === undefined ? undefined : ne(sessions.token, keptSession);
    await tx.delete(sessions).where(and(eq(sessions.userId, userId), isOther));
    await tx.delete(apiKeys).where(eq(apiKeys.referenceId, userId));
    await tx
      .delete(verifications)
      .where(and(eq(verifications.value, userId), like(verifications.identifier, 'reset-password:%')));
  }

  async function isInUse(tx: Transaction, userId: string): Promise<boolean> {
    for (const { table, owner } of USES) {
      const rows = await tx.select({ owner }).from(table).where(eq(owner, userId)).limit(1);
      if (rows.length > 0) return true;
    }
    return false;
  }

  return {
    async findEmail(userId) {
      const [row] = await db.select({ email: users.email }).from(users).where(eq(users.id, userId));
      return row?.email;
    },

    async findCredential(email) {
      const [row] = await db
        .select({ userId: users.id, passwordHash: accounts.password })
        .from(users)
        .innerJoin(accounts, ofPassword(users.id))
        .where(eq(users.email, email));
      return row?.passwordHash ? { userId: row.userId, passwordHash: row.passwordHash } : undefined;
    },

    async findResetUser(token) {
      const [link] = await db
        .select({ userId: verifications.value })
        .from(verifications)
        .where(and(linkFor(token), gt(verifications.expiresAt, new Date())));
      return link?.userId;
    },

    resetPassword({ userId, passwordHash }, token) {
      return transact(db, async (tx) => {
        const user = await lockUser(tx, userId);
        const used = await tx.delete(verifications).where(linkFor(token)).returning();
        if (user === undefined || used.length === 0) return undefined;
        const replaced = await tx
          .update(accounts)
          .set({ password: passwordHash })
          .where(ofPassword(userId))
          .returning();
        if (replaced.length === 0)
          await tx.insert(accounts).values({
            id: Bun.randomUUIDv7(),
            userId,
            accountId: userId,
            providerId: 'credential',
            password: passwordHash,
          });
        await tx.update(users).set({ emailVerified: true }).where(eq(users.id, userId));
        await endAccess(tx, userId);
        return user.email;
      });
    },

    changePassword(checked, passwordHash, sessionToken) {
      return transact(db, async (tx) => {
        const isCurrent = await hasPassword(tx, checked);
        if (isCurrent)
          await tx.update(accounts).set({ password: passwordHash }).where(ofPassword(checked.userId));
        if (isCurrent) await endAccess(tx, checked.userId, sessionToken);
        else await tx.delete(sessions).where(eq(sessions.token, sessionToken));
        return isCurrent;
      });
    },

    keepSession(checked, sessionToken) {
      return transact(db, async (tx) => {
        const isCurrent = await hasPassword(tx, checked);
        if (!isCurrent) await tx.delete(sessions).where(eq(sessions.token, sessionToken));
        return isCurrent;
      });
    },

    keepApiKey({ userId, keyId, sessionToken }, max) {
      return transact(db, async (tx) => {
        await lockUser(tx, userId);
        const isLoggedIn = (await tx.$count(sessions, eq(sessions.token, sessionToken))) > 0;
        const isTooMany = (await tx.$count(apiKeys, eq(apiKeys.referenceId, userId))) > max;
        if (isLoggedIn && !isTooMany) return 'kept';
        await tx.delete(apiKeys).where(and(eq(apiKeys.referenceId, userId), eq(apiKeys.id, keyId)));
        return isLoggedIn ? 'too-many' : 'logged-out';
      });
    },

    confirmEmail(checked) {
      return transact(db, async (tx) => {
        const isCurrent = await hasPassword(tx, checked);
        if (isCurrent)
          await tx.update(users).set({ emailVerified: true }).where(eq(users.id, checked.userId));
        return isCurrent;
      });
    },

    replaceSignUp({ userId, passwordHash }, name) {
      return transact(db, async (tx) => {
        if ((await lockUser(tx, userId))?.emailVerified !== false) return false;
        if (await isInUse(tx, userId)) return false;
        await tx.update(users).set({ name }).where(eq(users.id, userId));
        await tx.update(accounts).set({ password: passwordHash }).where(ofPassword(userId));
        return true;
      });
    },
  };
}

type SessionRow = typeof sessions.$inferSelect;

/** Sessions, read as every request reads them: in one statement that PostgreSQL has planned before. */
export function createSessionRepository(db: Database) {
  const byToken = db
    .select({ userId: sessions.userId, expiresAt: sessions.expiresAt, createdAt: sessions.createdAt })
    .from(sessions)
    .where(eq(sessions.token, sql.placeholder('token')))
    .prepare('session_by_token');

  return {
    async findByToken(
      token: string,
    ): Promise<Pick<SessionRow, 'userId' | 'expiresAt' | 'createdAt'> | undefined> {
      const [row] = await byToken.execute({ token });
      return row;
    },
  };
}
