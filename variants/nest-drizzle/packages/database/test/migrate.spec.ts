import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate } from '../src/migrate.js';
import { createDatabase, type TestDatabase } from './support/database.js';

const FOLDER = fileURLToPath(new URL('../migrations', import.meta.url));
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'migrations-'));
  cpSync(FOLDER, folder, { recursive: true });
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await database?.drop();
});

const run = () =>
  migrate({
    ownerUrl: database.ownerUrl,
    appUrl: database.url,
    lockTimeoutMs: 2_000,
    statementTimeoutMs: 60_000,
    folder,
  });

/** Adds a migration to the journal, before its last `fromEnd` entries. */
function add(tag: string, when: number, fromEnd: number, sql: string): void {
  writeFileSync(join(folder, `${tag}.sql`), sql);
  const path = join(folder, 'meta', '_journal.json');
  const journal = JSON.parse(readFileSync(path, 'utf8'));
  const idx = journal.entries.length;
  journal.entries.splice(idx - fromEnd, 0, { idx, version: '7', when, tag, breakpoints: true });
  writeFileSync(path, JSON.stringify(journal));
}

const tables = async () => {
  const { rows } = await database.owner.query(
    `SELECT tablename FROM pg_tables WHERE tablename LIKE 'of_%' ORDER BY tablename`,
  );
  return rows.map(({ tablename }) => tablename);
};

it('applies every migration of the journal once, also those older than the newest applied', async () => {
  expect(await run()).toBe(0);
  add('0100_of_owner', Date.now(), 0, 'CREATE TABLE of_owner (id int)');
  expect(await run()).toBe(1);
  // An update of the template brings two that were written before, in an order of their own.
  add('0101_of_template', Date.now() - HOUR_MS, 1, 'CREATE TABLE of_template (id int)');
  add('0102_of_template', Date.now() - HOUR_MS / 2, 1, 'ALTER TABLE of_template RENAME TO of_update');
  expect(await run()).toBe(2);
  expect(await tables()).toEqual(['of_owner', 'of_update']);
  expect(await run()).toBe(0);
});

it('applies each migration in its own transaction, and says why one fails', async () => {
  add('0103_good', Date.now() + 1, 0, 'CREATE TABLE of_good (id int)');
  add(
    '0104_bad',
    Date.now() + 2,
    0,
    'ALTER TABLE of_good ADD a int;--> statement-breakpoint\nCREATE TABLE of_bad (id nonsense)',
  );
  await expect(run()).rejects.toThrow(
    '0104_bad failed: type "nonsense" does not exist\n  Statement: CREATE TABLE of_bad (id nonsense)',
  );
  expect(await tables()).toContain('of_good');
  writeFileSync(join(folder, '0104_bad.sql'), 'ALTER TABLE of_good ADD a int');
  expect(await run()).toBe(1);
});

it('uses the value of an enum in the migration after the one that adds it', async () => {
  await database.owner.query(
    `CREATE TYPE of_state AS ENUM ('open'); CREATE TABLE of_states (state of_state)`,
  );
  add('0107_value', Date.now() + 5, 0, `ALTER TYPE of_state ADD VALUE 'blocked'`);
  add('0108_default', Date.now() + 6, 0, `ALTER TABLE of_states ALTER state SET DEFAULT 'blocked'`);
  expect(await run()).toBe(2);
});

it('runs a migration without a transaction where it asks for none, while another process waits', async () => {
  const statement = 'CREATE INDEX CONCURRENTLY of_states_state_idx ON of_states (state)';
  add('0109_index', Date.now() + 7, 0, `-- no-transaction\n${statement}`);
  expect((await Promise.all([run(), run(), run()])).toSorted()).toEqual([0, 0, 1]);
});

it('leaves no lock behind', async () => {
  await run();
  const { rows } = await database.owner.query(`SELECT FROM pg_locks WHERE locktype = 'advisory'`);
  expect(rows).toEqual([]);
});

it('applies a migration with the text of an earlier one', async () => {
  const increment = 'UPDATE of_update SET id = id + 1';
  await database.owner.query('INSERT INTO of_update VALUES (1)');
  add('0105_increment', Date.now() + 3, 0, increment);
  expect(await run()).toBe(1);
  add('0106_increment_again', Date.now() + 4, 0, increment);
  expect(await run()).toBe(1);
  expect((await database.owner.query('SELECT id FROM of_update')).rows).toEqual([{ id: 3 }]);
  expect(await run()).toBe(0);
});

it('takes a migration whose time has changed for the same', async () => {
  const path = join(folder, 'meta', '_journal.json');
  const journal = JSON.parse(readFileSync(path, 'utf8'));
  journal.entries.at(-3).when += 10;
  writeFileSync(path, JSON.stringify(journal));
  expect(await run()).toBe(0);
});

it('takes a file whose line ends have changed for the same migration', async () => {
  appendFileSync(join(folder, '0100_of_owner.sql'), '\r\n');
  expect(await run()).toBe(0);
});
