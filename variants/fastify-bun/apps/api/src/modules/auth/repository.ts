import { drizzleAdapter } from 'better-auth/adapters/drizzle';
import { eq, sql } from 'drizzle-orm';
import type { Database } from '../../shared/db/client.js';
import { accounts, apiKeys, sessions, users, verifications } from '../../shared/db/schema/index.js';

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
