import { lt } from 'drizzle-orm';
import type { Database } from './client.js';
import { apiKeys, sessions, verifications } from './schema/index.js';

/** Forgets the sessions, API keys and mailed links of all users that have expired before a moment. */
export async function forgetExpired(db: Database, before: Date): Promise<void> {
  for (const table of [sessions, apiKeys, verifications])
    await db.delete(table).where(lt(table.expiresAt, before));
}
