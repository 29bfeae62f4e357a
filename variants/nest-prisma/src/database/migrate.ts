import type pg from 'pg';
import { asMigrator } from './as-migrator.js';
import { grantToApplication } from './grants.js';
import { runPrisma } from './prisma-cli.js';

/**
 * Applies what is pending by `prisma migrate deploy`, then renews the application's grants. Several processes may do so at
 * once: they wait for each other.
 *
 * @param ownerUrl of the role that owns the schema
 * @param appUrl that the running service connects with
 * @returns the names of the migrations that were applied
 * @throws Error with what Prisma said
 */
export async function migrate(ownerUrl: string, appUrl: string): Promise<string[]> {
  return asMigrator(ownerUrl, async (owner) => {
    const before = await applied(owner);
    const { exitCode, output } = await runPrisma(['migrate', 'deploy'], ownerUrl);
    if (exitCode !== 0) throw new Error(output.trim());
    await grantToApplication(owner, appUrl);
    return (await applied(owner)).filter((name) => !before.includes(name));
  });
}

async function applied(owner: pg.Client): Promise<string[]> {
  const { rows: tables } = await owner.query(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exist`);
  if (tables[0].exist !== true) return [];
  const { rows } = await owner.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY started_at',
  );
  return rows.map(({ name }) => name);
}
