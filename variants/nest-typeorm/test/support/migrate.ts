import { readMigrationConfig } from '../../src/config/config.js';
import { ownerDataSource } from '../../src/database/data-source.js';
import { migrate } from '../../src/database/migrate.js';

/** Brings a database to the last migration, as `npm run db:migrate` does. */
export async function migrateDatabase(ownerUrl: string, appUrl: string): Promise<void> {
  const config = readMigrationConfig({
    ...process.env,
    MIGRATION_DATABASE_URL: ownerUrl,
    DATABASE_URL: appUrl,
  });
  const owner = await ownerDataSource(config).initialize();
  await migrate(owner, appUrl);
  await owner.destroy();
}
