import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '../../src/shared/db/migrate.js';

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

const template = `template_${randomBytes(6).toString('hex')}`;

/** Migrates one database, which test files copy. */
export async function createTemplate(): Promise<() => Promise<void>> {
  const urls = databaseUrls();
  const server = new pg.Client(urls.ownerUrl);
  await server.connect();
  await server.query(`CREATE DATABASE ${template}`);
  await migrate({
    ownerUrl: inDatabase(urls.ownerUrl, template),
    appUrl: inDatabase(urls.url, template),
    lockTimeoutMs: 2_000,
    statementTimeoutMs: 60_000,
  });
  return async () => {
    await server.query(`DROP DATABASE ${template}`);
    await server.end();
  };
}

export async function createDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const urls = databaseUrls();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const server = new pg.Client(urls.ownerUrl);
  await server.connect();
  await server.query(`CREATE DATABASE ${name} ${empty ? '' : `TEMPLATE ${template}`}`);
  const ownerUrl = inDatabase(urls.ownerUrl, name);
  const owner = new pg.Pool({ connectionString: ownerUrl });
  return {
    url: inDatabase(urls.url, name),
    ownerUrl,
    owner,
    async drop() {
      await owner.end();
      // Connections count until the server has seen them close.
      for (let attempt = 1; ; attempt++) {
        try {
          await server.query(`DROP DATABASE ${name}`);
          break;
        } catch (error) {
          if (attempt === 200) throw error;
          await sleep(20);
        }
      }
      await server.end();
    },
  };
}

/** The servers that `setup.ts` has started, or those that the environment names. */
function databaseUrls(): { url: string; ownerUrl: string } {
  const { DATABASE_URL: url, MIGRATION_DATABASE_URL: ownerUrl = url } = process.env;
  if (url === undefined || ownerUrl === undefined) throw new Error('DATABASE_URL is not set.');
  return { url, ownerUrl };
}

function inDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = name;
  return changed.href;
}
