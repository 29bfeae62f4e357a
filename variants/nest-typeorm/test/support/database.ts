import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject, vi } from 'vitest';
import { readMigrationConfig } from '../../src/config/config.js';

/** A migrated database of a test file's own. */
export interface TestDatabase {
  /** With the application's role. */
  readonly url: string;
  /** With the role that owns the schema. */
  readonly ownerUrl: string;
  /** Connections of the owner, for looking at what the service has stored, and for getting in its way. */
  readonly owner: pg.Pool;
  drop(): Promise<void>;
}

export async function createDatabase(): Promise<TestDatabase> {
  const { DATABASE_URL, MIGRATION_DATABASE_URL = DATABASE_URL } = readMigrationConfig();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const server = new pg.Client(MIGRATION_DATABASE_URL);
  await server.connect();
  await server.query(`CREATE DATABASE ${name} TEMPLATE ${inject('template')}`);
  const ownerUrl = inDatabase(MIGRATION_DATABASE_URL, name);
  const owner = new pg.Pool({ connectionString: ownerUrl });
  return {
    url: inDatabase(DATABASE_URL, name),
    ownerUrl,
    owner,
    async drop() {
      await owner.end();
      // Connections count until the server has seen them close.
      await vi.waitFor(() => server.query(`DROP DATABASE ${name}`), { timeout: 10_000, interval: 20 });
      await server.end();
    },
  };
}

function inDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = name;
  return changed.href;
}
