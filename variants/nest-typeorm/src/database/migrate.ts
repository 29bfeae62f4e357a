import { type DataSource, MigrationExecutor, QueryFailedError } from 'typeorm';
import { grantToApplication } from './grants.js';
import { migrationError } from './migration-error.js';
import { lockMigrations } from './migration-lock.js';

/**
 * Applies what is pending, each migration in a transaction of its own, then renews the application's grants. Several
 * processes may do so at once.
 *
 * @param owner a connection of the role that owns the schema
 * @param appUrl the URL that the running service connects with
 * @returns the names of the migrations that were applied
 * @throws Error with the migration that failed, its statement and PostgreSQL's reason
 */
export async function migrate(owner: DataSource, appUrl: string): Promise<string[]> {
  const runner = owner.createQueryRunner();
  await runner.connect();
  try {
    await lockMigrations((sql, values) => runner.query(sql, values));
    const applied = await owner.runMigrations().catch(async (error) => {
      throw await explained(owner, error);
    });
    await grantToApplication(owner, appUrl);
    return applied.map(({ name }) => name);
  } finally {
    await runner.query('ROLLBACK');
    await runner.release();
  }
}

async function explained(owner: DataSource, error: unknown): Promise<unknown> {
  if (!(error instanceof QueryFailedError)) return error;
  const [failed] = await new MigrationExecutor(owner).getPendingMigrations();
  return migrationError(failed?.name ?? 'A migration', error.query, error.driverError);
}
