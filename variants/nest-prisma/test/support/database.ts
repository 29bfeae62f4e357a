import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A migrated database of a test file's own. */
export interface TestDatabase {
  /** With the application's role. */
  readonly url: string;
  /** With the role that owns the schema. */
  readonly ownerUrl: string;
  /** Connections of the owner, for looking at what the service has stored, and for getting in its way. */
  readonly owner: pg.Pool;
  /** What the owner sees in an organization; row-level security holds for the owner as well. */
  rows<Row extends pg.QueryResultRow>(
    organizationId: string,
    sql: string,
    values?: unknown[],
  ): Promise<Row[]>;
  drop(): Promise<void>;
}

export async function createDatabase(): Promise<TestDatabase> {
  const urls = databaseUrls();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const server = new pg.Client(urls.ownerUrl);
  await server.connect();
  await server.query(`CREATE DATABASE ${name} TEMPLATE ${process.env.TEST_TEMPLATE}`);
  const ownerUrl = inDatabase(urls.ownerUrl, name);
  const owner = new pg.Pool({ connectionString: ownerUrl });
  return {
    url: inDatabase(urls.url, name),
    ownerUrl,
    owner,
    async rows<Row extends pg.QueryResultRow>(organizationId: string, sql: string, values: unknown[] = []) {
      const client = await owner.connect();
      try {
        await client.query('BEGIN');
        await client.query(`SELECT set_config('app.organization_id', $1, true)`, [organizationId]);
        const { rows } = await client.query<Row>(sql, values);
        await client.query('COMMIT');
        return rows;
      } finally {
        client.release();
      }
    },
    async drop() {
      await owner.end();
      await dropDatabase(server, name);
      await server.end();
    },
  };
}

/** Connections count until the server has seen them close; one that a test forgot would count for ever. */
async function dropDatabase(server: pg.Client, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await server.query(`DROP DATABASE ${name}`);
      return;
    } catch (error) {
      if (attempt === 200) throw error;
      await sleep(20);
    }
  }
}

/** The server that `scripts/services.mjs` has started, or the one that the environment names. */
export function databaseUrls(): { url: string; ownerUrl: string } {
  const { DATABASE_URL: url, MIGRATION_DATABASE_URL: ownerUrl = url } = process.env;
  if (url === undefined || ownerUrl === undefined) {
    throw new Error('DATABASE_URL is not set: run the tests by `npm test`, which starts a server for them.');
  }
  return { url, ownerUrl };
}

export function inDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = name;
  return changed.href;
}
