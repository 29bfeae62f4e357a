import { afterAll, beforeAll, describe, expect, it } from 'bun:test';
import { pgTable, uuid } from 'drizzle-orm/pg-core';
import { findUserFaults } from '../../src/shared/db/check.js';
import { findDrift } from '../../src/shared/db/drift.js';
import { migrate } from '../../src/shared/db/migrate.js';
import * as schema from '../../src/shared/db/schema/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

/** What the check finds while a change is in place, which is taken back after that. */
async function faultsWith(sql: string): Promise<string[]> {
  const client = await database.owner.connect();
  try {
    await client.query(`BEGIN; ${sql}`);
    return await findUserFaults(client);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

const USER_ID = 'user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE';

describe('every table is tied to its users', () => {
  it('as the migrations leave them', async () => {
    expect(await faultsWith('')).toEqual([]);
  });

  it.each([
    ['no user_id', 'CREATE TABLE t (id int)', /t: there is no user_id/],
    [
      'one that may be null',
      'CREATE TABLE t (user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE); ALTER TABLE t DROP CONSTRAINT t_pkey, ALTER user_id DROP NOT NULL; CREATE INDEX ON t (user_id)',
      /may be null/,
    ],
    ['one of another type', 'CREATE TABLE t (user_id text NOT NULL)', /user_id is text, not uuid/],
    [
      'no index that starts with it',
      `CREATE TABLE t (id int PRIMARY KEY, ${USER_ID})`,
      /no index starts with user_id/,
    ],
    ['no reference', 'CREATE TABLE t (user_id uuid PRIMARY KEY)', /does not refer to users/],
    [
      'a reference that keeps the row',
      'CREATE TABLE t (user_id uuid PRIMARY KEY REFERENCES users)',
      /ON DELETE CASCADE/,
    ],
    [
      'a reference to somebody else’s row',
      `ALTER TABLE provider_keys ADD UNIQUE (id); CREATE TABLE t (${USER_ID}, key_id uuid REFERENCES provider_keys (id)); CREATE INDEX ON t (user_id)`,
      /t_key_id_fkey does not carry user_id/,
    ],
  ])('a table with %s is found', async (_, sql, fault) => {
    expect((await faultsWith(sql)).join('\n')).toMatch(fault);
  });
});

describe('the schema', () => {
  it('is what the migrations make', async () => {
    expect(await findDrift()).toEqual([]);
  });

  it('that has more than the migrations is found', async () => {
    const extra = pgTable('extra', { id: uuid('id').primaryKey() });
    expect((await findDrift({ ...schema, extra })).join()).toContain('CREATE TABLE "extra"');
  });

  it('is compared without a trace in other arrays', async () => {
    await findDrift();
    const keys: string[] = [];
    for (const key in ['item']) keys.push(key);
    expect(keys).toEqual(['0']);
  });
});

describe('the role of the running service', () => {
  it('owns nothing, is no superuser and sees no row that it was not given', async () => {
    const { rows } = await database.owner.query(
      `SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS mighty,
              (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS owned
         FROM pg_roles r WHERE rolname = $1`,
      [new URL(database.url).username],
    );
    expect(rows).toEqual([{ mighty: false, owned: 0 }]);
  });
});

describe('migrations', () => {
  it('run in several processes at once, and once each', async () => {
    const empty = await createDatabase({ empty: true });
    try {
      const urls = {
        ownerUrl: empty.ownerUrl,
        appUrl: empty.url,
        lockTimeoutMs: 5_000,
        statementTimeoutMs: 60_000,
      };
      const applied = await Promise.all([migrate(urls), migrate(urls), migrate(urls)]);
      expect(applied.filter((count) => count > 0)).toHaveLength(1);
    } finally {
      await empty.drop();
    }
  });

  it('refuse to make the owner the role of the running service', async () => {
    const urls = {
      ownerUrl: database.ownerUrl,
      appUrl: database.ownerUrl,
      lockTimeoutMs: 5_000,
      statementTimeoutMs: 60_000,
    };
    expect(migrate(urls)).rejects.toThrow('name the same role');
  });
});
