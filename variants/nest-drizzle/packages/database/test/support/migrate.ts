import { migrate } from '../../src/migrate.js';

/** Brings a database to the last migration, as `npm run db:migrate` does. */
export async function migrateDatabase(ownerUrl: string, appUrl: string): Promise<void> {
  await migrate({ ownerUrl, appUrl, lockTimeoutMs: 2_000, statementTimeoutMs: 60_000 });
}
