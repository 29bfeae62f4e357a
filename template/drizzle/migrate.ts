import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator';
import type pg from 'pg';
import { asMigrator } from './as-migrator.js';
import { grantToApplication } from './grants.js';
import { migrationError } from './migration-error.js';

const FOLDER = fileURLToPath(new URL('[[ "./" if variant == "fastify-bun" else "../" ]]migrations', import.meta.url));

export interface MigrationUrls {
  /** Of the role that owns the schema. */
  readonly ownerUrl: string;
  /** That the running service connects with. */
  readonly appUrl: string;
  /** Of each statement, in milliseconds: while one waits for a lock, every later query of the table waits too. */
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** Of the migrations, if it is another one. */
  readonly folder?: string;
}

/** Begins a migration whose statements PostgreSQL runs outside of a transaction, such as CREATE INDEX CONCURRENTLY. */
const NO_TRANSACTION = /^\s*--\s*no-transaction\b/;

/**
 * Applies the pending migrations, each in its own transaction, then the application's grants. Several processes may do so at
 * once. A migration that begins with `-- no-transaction` has none; if it fails, the statements before stay applied.
 *
 * @returns how many migrations were applied
 * @throws Error with the migration that failed, its statement and PostgreSQL's reason
 */
export async function migrate(settings: MigrationUrls): Promise<number> {
  const { ownerUrl, appUrl } = settings;
  return asMigrator(ownerUrl, async (owner) => {
    const applied = await applyPending(owner, settings);
    await grantToApplication(owner, appUrl);
    return applied;
  });
}

/**
 * Applies the migrations of the journal that the database does not have, in the journal's order. Drizzle's own migrator
 * skips those that are older than the newest one applied: a template update brings such ones to a service that has added
 * its own.
 */
async function applyPending(owner: pg.Client, settings: MigrationUrls): Promise<number> {
  const { folder = FOLDER } = settings;
  await owner.query(`
    CREATE SCHEMA IF NOT EXISTS drizzle;
    CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)`);
  const { rows } = await owner.query<{ hash: string; created_at: string }>(
    'SELECT hash, created_at FROM drizzle.__drizzle_migrations',
  );
  const migrations = readMigrationFiles({ migrationsFolder: folder });
  const times = new Set(migrations.map(({ folderMillis }) => String(folderMillis)));
  // The time identifies a migration: git may change a file's line ends, and two files may have the same text. The hash
  // counts only for a row whose time the journal no longer has.
  const known = new Set(rows.map(({ hash, created_at }) => (times.has(created_at) ? created_at : hash)));
  const pending = migrations.filter(
    ({ hash, folderMillis }) => !known.has(hash) && !known.has(String(folderMillis)),
  );
  const names = namesByTime(folder);
  for (const migration of pending) await apply(owner, migration, names.get(migration.folderMillis), settings);
  return pending.length;
}

async function apply(
  owner: pg.Client,
  { sql: statements, hash, folderMillis }: MigrationMeta,
  name = 'A migration',
  { lockTimeoutMs, statementTimeoutMs }: MigrationUrls,
): Promise<void> {
  const hasTransaction = !NO_TRANSACTION.test(statements[0] ?? '');
  if (hasTransaction) await owner.query('BEGIN');
  try {
    await owner.query(`SELECT set_config('lock_timeout', $1, $3), set_config('statement_timeout', $2, $3)`, [
      String(lockTimeoutMs),
      String(statementTimeoutMs),
      hasTransaction,
    ]);
    for (const statement of statements) {
      await owner.query(statement).catch((error: pg.DatabaseError) => {
        throw migrationError(name, statement, error);
      });
    }
    await owner.query('INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ($1, $2)', [
      hash,
      folderMillis,
    ]);
    if (hasTransaction) await owner.query('COMMIT');
  } catch (error) {
    if (hasTransaction) await owner.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** The journal names the migrations, which Drizzle's reader does not. */
function namesByTime(folder: string): Map<number, string> {
  const journal = JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')) as {
    entries: { when: number; tag: string }[];
  };
  return new Map(journal.entries.map(({ when, tag }) => [when, tag]));
}
