import { drizzleAdapter } from 'better-auth/adapters/drizzle';
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
