import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as applyMigrations } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { grantToApplication } from './grants.js';
import { MIGRATION_LOCK } from './safeguards.js';

const FOLDER = fileURLToPath(new URL('[[ "./" if variant == "fastify-bun" else "../" ]]migrations', import.meta.url));

export interface MigrationUrls {
  /** Of the role that owns the schema. */
  readonly ownerUrl: string;
  /** That the running service connects with. */
  readonly appUrl: string;
  /** In milliseconds: a migration that waits for a lock holds up everything that comes after it. */
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/**
 * Applies what is pending in one transaction, then renews the application's grants. Several processes may do so at once.
 *
 * @returns how many migrations were applied
 */
export async function migrate({
  ownerUrl,
  appUrl,
  lockTimeoutMs,
  statementTimeoutMs,
}: MigrationUrls): Promise<number> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    // Waiting for another process that migrates may take as long as its migrations do.
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await client.query(
      `SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)`,
      [String(lockTimeoutMs), String(statementTimeoutMs)],
    );
    const before = await applied(client);
    await applyMigrations(drizzle({ client }), { migrationsFolder: FOLDER });
    await grantToApplication(client, appUrl);
    return (await applied(client)) - before;
  } finally {
    await client.end(); // which gives the lock back
  }
}

async function applied(client: pg.Client): Promise<number> {
  const { rows: tables } = await client.query(
    `SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS exist`,
  );
  if (tables[0].exist !== true) return 0;
  const { rows } = await client.query('SELECT count(*)::int AS count FROM drizzle.__drizzle_migrations');
  return rows[0].count;
}
