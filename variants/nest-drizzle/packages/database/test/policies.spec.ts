import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findTenancyFaults } from '../src/check.js';
import { IdentityDatabase } from '../src/identity-database.js';
import { createPool } from '../src/pool.js';
import { memberships, passwords, projects, users } from '../src/schema/index.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { connect, createTenant, type Tenant } from './support/tenants.js';

let database: TestDatabase;
let a: Tenant;
let b: Tenant;

beforeAll(async () => {
  database = await createDatabase();
  [a, b] = await Promise.all([createTenant(database), createTenant(database)]);
});

afterAll(async () => {
  await database?.drop();
});

describe('the catalog', () => {
  let owner: pg.Client;
  beforeEach(async () => {
    owner = new pg.Client(database.ownerUrl);
    await owner.connect();
    await owner.query('BEGIN');
  });
  afterEach(async () => {
    await owner.query('ROLLBACK');
    await owner.end();
  });

  it('shows nothing missing', async () => {
    expect(await findTenancyFaults(owner)).toEqual([]);
  });

  it.each([
    ['ALTER TABLE projects DISABLE ROW LEVEL SECURITY', 'projects: row-level security is not enabled'],
    [
      'ALTER TABLE projects NO FORCE ROW LEVEL SECURITY',
      'projects: row-level security is not forced on the owner',
    ],
    ['DROP POLICY tasks_update ON tasks', 'tasks: there is no policy for UPDATE'],
    ['ALTER TABLE outbox ALTER tenant_id DROP NOT NULL', 'outbox: tenant_id may be null'],
    ['CREATE TABLE notes (id uuid)', 'notes: there is no tenant_id'],
    [
      'CREATE UNIQUE INDEX titles ON tasks (title)',
      'tasks: titles is unique over all tenants, and so reveals the values of others; start it with tenant_id',
    ],
    ['CREATE INDEX by_status ON tasks (status)', 'tasks: by_status does not start with tenant_id'],
    [
      'ALTER TABLE projects ADD UNIQUE (id); ALTER TABLE tasks ADD CONSTRAINT plain FOREIGN KEY (project_id) REFERENCES projects (id)',
      'tasks: the foreign key plain does not carry tenant_id',
    ],
    [
      'CREATE VIEW all_tasks AS SELECT * FROM tasks',
      "all_tasks: a view without security_invoker = true runs with its owner's rights",
    ],
    [
      'CREATE MATERIALIZED VIEW task_counts AS SELECT count(*) FROM tasks',
      "task_counts: a materialized view shows every tenant's rows to whoever may read it",
    ],
    [
      "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM tasks'",
      "peek(): a SECURITY DEFINER function runs with its owner's rights",
    ],
  ])('shows what %s has broken', async (sql, fault) => {
    await owner.query('ALTER TABLE outbox DROP CONSTRAINT outbox_pkey');
    await owner.query(sql);
    expect(await findTenancyFaults(owner)).toContain(fault);
  });
});

describe('without a tenant', () => {
  it.each([
    'tenants',
    'users',
    'passwords',
    'memberships',
    'invitations',
    'refresh_tokens',
    'projects',
    'project_stats',
    'tasks',
    'outbox',
    'inbox',
    'idempotency_keys',
  ])(
    'there is not one row in %s, neither for the application nor for the owner, and no error',
    async (table) => {
      for (const url of [database.url, database.ownerUrl]) {
        const client = new pg.Client(url);
        await client.connect();
        const { rows } = await client.query(
          `SELECT count(*)::int AS count FROM ${pg.escapeIdentifier(table)}`,
        );
        await client.end();
        expect(rows).toEqual([{ count: 0 }]);
      }
    },
  );
});

describe('the application’s role', () => {
  it('is neither a superuser nor exempt from the policies, and owns nothing', async () => {
    const role = decodeURIComponent(new URL(database.url).username);
    const { rows } = await database.owner.query(
      `SELECT rolsuper, rolbypassrls, rolcreaterole, (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS owns
         FROM pg_roles r WHERE rolname = $1`,
      [role],
    );
    expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, owns: 0 }]);
  });

  it.each([
    'TRUNCATE projects',
    'DROP TABLE projects',
    'ALTER TABLE projects DISABLE ROW LEVEL SECURITY',
    'DELETE FROM tenants',
    'CREATE TABLE mine ()',
  ])('may not %s', async (sql) => {
    const client = new pg.Client(database.url);
    await client.connect();
    await expect(client.query(sql).finally(() => client.end())).rejects.toMatchObject({ code: '42501' });
  });
});

describe('members of a tenant', () => {
  it('see each other, and nobody’s password', async () => {
    const { pool, tenants } = connect(database);
    const seen = await tenants.run(a, async () => ({
      users: (await tenants.db.select().from(users)).map(({ id }) => id),
      passwords: await tenants.db.select().from(passwords),
      memberships: (await tenants.db.select().from(memberships)).map(({ tenantId }) => tenantId),
    }));
    await pool.end();
    expect(seen).toEqual({ users: [a.userId], passwords: [], memberships: [a.tenantId] });
  });
});

describe('the door for log-in', () => {
  let pool: pg.Pool;
  let identity: IdentityDatabase;
  beforeAll(() => {
    ({ pool } = connect(database));
    identity = new IdentityDatabase(pool);
    return () => pool.end();
  });

  it('shows the user with the address, that password, and nothing else', async () => {
    const seen = await identity.transaction({ loginEmail: `${a.userId}@example.com` }, async (db) => ({
      users: (await db.select().from(users)).map(({ id }) => id),
      passwords: await db.select({ hash: passwords.hash }).from(passwords),
      memberships: await db.select().from(memberships),
      projects: await db.select().from(projects),
    }));
    expect(seen).toEqual({
      users: [a.userId],
      passwords: [{ hash: `hash of ${a.userId}` }],
      memberships: [],
      projects: [],
    });
  });

  it('shows a user’s memberships once the user is known', async () => {
    const seen = await identity.transaction({ loginEmail: `${b.userId}@example.com` }, async (db, show) => {
      await show({ userId: b.userId });
      return db.select({ tenantId: memberships.tenantId }).from(memberships);
    });
    expect(seen).toEqual([{ tenantId: b.tenantId }]);
  });

  it('is shut where nothing is shown', async () => {
    const seen = await identity.transaction({}, async (db) => [
      await db.select().from(users),
      await db.select().from(memberships),
    ]);
    expect(seen).toEqual([[], []]);
  });
});

it('has a pool that pipelines, or each statement would take four round trips', () => {
  const pool = createPool(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: 1,
      DATABASE_CONNECT_TIMEOUT_MS: 1,
      DATABASE_LOCK_TIMEOUT_MS: 1,
      DATABASE_STATEMENT_TIMEOUT_MS: 1,
      DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: 1,
    },
    'test',
  );
  expect(pool.options).toMatchObject({ pipeline: true });
});
