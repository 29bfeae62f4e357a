import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject, vi } from 'vitest';

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
  const urls = databaseUrls();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const server = new pg.Client(urls.ownerUrl);
  await server.connect();
  await server.query(`CREATE DATABASE ${name} TEMPLATE ${inject('template')}`);
  const ownerUrl = inDatabase(urls.ownerUrl, name);
  const owner = new pg.Pool({ connectionString: ownerUrl });
  return {
    url: inDatabase(urls.url, name),
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

/** The server that `scripts/services.mjs` has started, or the one that the environment names. */
export function databaseUrls(): { url: string; ownerUrl: string } {
  const { DATABASE_URL: url, MIGRATION_DATABASE_URL: ownerUrl = url } = process.env;
  if (url === undefined || ownerUrl === undefined) {
    throw new Error('DATABASE_URL is not set: run the tests by `[[ pm ]] test`, which starts a server for them.');
  }
  return { url, ownerUrl };
}

export function inDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = name;
  return changed.href;
}
