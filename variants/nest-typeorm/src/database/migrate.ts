import type { DataSource } from 'typeorm';
import { grantToApplication } from './grants.js';
import { MIGRATION_LOCK } from './safeguards.js';

/**
 * Applies what is pending, then renews the application's grants. Several processes may do so at once.
 *
 * @param owner a connection of the role that owns the schema
 * @param appUrl the URL that the running service connects with
 * @returns the names of the migrations that were applied
 */
export async function migrate(owner: DataSource, appUrl: string): Promise<string[]> {
  const runner = owner.createQueryRunner();
  await runner.connect();
  try {
    // Waiting for another process that migrates may take as long as its migrations do.
    await runner.query('SET statement_timeout = 0');
    await runner.query('SET lock_timeout = 0');
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await owner.runMigrations();
    await grantToApplication(owner, appUrl);
    return applied.map(({ name }) => name);
  } finally {
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await runner.query('RESET statement_timeout');
    await runner.query('RESET lock_timeout');
    await runner.release();
  }
}
