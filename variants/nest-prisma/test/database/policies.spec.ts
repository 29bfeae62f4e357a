import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Database } from '../../src/database/database.js';
import { IsolationError } from '../../src/database/isolation.js';
import { createPool } from '../../src/database/pool.js';
import { type OrganizationScope, scopes } from '../../src/database/scope.js';
import type { ScopedPool } from '../../src/database/scoped-pool.js';
import { Prisma } from '../../src/generated/prisma/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { createOrganization, openDatabase, type TestAccess } from '../support/organizations.js';

/** Tables that belong to no organization, each with the reason. */
const OF_NO_ORGANIZATION: Readonly<Record<string, string>> = {
  organizations: 'its own id is the organization',
  users: 'a person may be a member of several organizations',
  _prisma_migrations: "Prisma's own; the application has no right to it",
};

let stored: TestDatabase;
let access: TestAccess;
let database: Database;
let pool: ScopedPool;
let ours: OrganizationScope;
let theirs: OrganizationScope;
let theirCustomer: string;

beforeAll(async () => {
  stored = await createDatabase();
  access = openDatabase(stored.url);
  database = access.database;
  pool = createPool({
    DATABASE_URL: stored.url,
    DATABASE_POOL_MAX: 1,
    DATABASE_CONNECT_TIMEOUT_MS: 5_000,
    DATABASE_LOCK_TIMEOUT_MS: 5_000,
    DATABASE_STATEMENT_TIMEOUT_MS: 5_000,
    DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: 5_000,
    OTEL_SERVICE_NAME: 'test',
  });
});

afterAll(async () => {
  await pool.end();
  await access.close();
  await stored.drop();
});

beforeEach(async () => {
  [ours, theirs] = [await createOrganization(database), await createOrganization(database)];
  const customers = await Promise.all(
    [ours, theirs].map((scope) =>
      database.run(scope, () =>
        database.client.customer.create({ data: { name: 'Bakery', email: `${randomUUID()}@example.com` } }),
      ),
    ),
  );
  theirCustomer = customers[1]?.id ?? '';
});

/** SQL in a scope, past Prisma and its extension: what is left is row-level security. */
async function query<Row extends pg.QueryResultRow>(
  scope: OrganizationScope,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const result = await scopes.run(scope, (): Promise<pg.QueryResult<Row>> => pool.query({ text, values }));
  return result.rows;
}

describe('the catalogue', () => {
  it('has row-level security, forced, and a policy on every table', async () => {
    const { rows } = await stored.owner.query(
      `SELECT relname AS table FROM pg_class c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> '_prisma_migrations'
          AND NOT (relrowsecurity AND relforcerowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid))`,
    );
    expect(rows).toEqual([]);
  });

  it('has the organization in every table but those that are of none, not null and first in an index', async () => {
    const { rows } = await stored.owner.query<{ table: string }>(
      `SELECT relname AS table FROM pg_class c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND NOT EXISTS (
            SELECT FROM pg_attribute a JOIN pg_index i ON i.indrelid = c.oid AND i.indkey[0] = a.attnum
             WHERE a.attrelid = c.oid AND a.attname = 'organization_id' AND a.attnotnull)`,
    );
    expect(rows.map(({ table }) => table).sort()).toEqual(Object.keys(OF_NO_ORGANIZATION).sort());
  });

  it('has no unique index that reaches across organizations, but for ids that are drawn', async () => {
    const { rows } = await stored.owner.query<{ index: string }>(
      `SELECT i.indexrelid::regclass::text AS index
         FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         JOIN pg_class c ON c.oid = i.indrelid
        WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace
          AND NOT c.relname = ANY($1) AND a.attname NOT IN ('organization_id', 'id')`,
      [Object.keys(OF_NO_ORGANIZATION)],
    );
    expect(rows).toEqual([]);
  });

  it('gives the application a role that owns nothing and is bound by every policy', async () => {
    const application = new pg.Client(stored.url);
    await application.connect();
    const { rows } = await application.query(
      `SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole,
              EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) AS "ownsTables"
         FROM pg_roles r WHERE rolname = current_user`,
    );
    await application.end();
    expect(rows).toEqual([
      { rolsuper: false, rolbypassrls: false, rolcreatedb: false, rolcreaterole: false, ownsTables: false },
    ]);
  });

  it('lets the application delete nothing that is soft-deleted, and change no line of the audit log', async () => {
    const role = decodeURIComponent(new URL(stored.url).username);
    const { rows } = await stored.owner.query<{ table: string; rights: string }>(
      `SELECT table_name AS table, string_agg(privilege_type, ' ' ORDER BY privilege_type) AS rights
         FROM information_schema.role_table_grants WHERE grantee = $1 GROUP BY table_name`,
      [role],
    );
    const rights = Object.fromEntries(rows.map(({ table, rights }) => [table, rights]));
    expect(rights).toMatchObject({
      customers: 'INSERT SELECT UPDATE',
      trackings: 'INSERT SELECT UPDATE',
      google_connections: 'INSERT SELECT UPDATE',
      audit_log: 'INSERT SELECT',
    });
    expect(rights._prisma_migrations).toBeUndefined();
  });
});

describe('behind the extension', () => {
  it('no row is there without a scope, and no error either', async () => {
    const application = new pg.Client(stored.url);
    await application.connect();
    for (const table of ['users', 'organizations', 'memberships', 'customers', 'trackings', 'audit_log']) {
      expect((await application.query(`SELECT * FROM ${table}`)).rows).toEqual([]);
    }
    // After a transaction the setting is '' and no longer unset.
    await application.query(`BEGIN; SET LOCAL app.organization_id = '${ours.organizationId}'; COMMIT`);
    expect((await application.query('SELECT * FROM customers')).rows).toEqual([]);
    await application.end();
  });

  it('the rows of one organization are there', async () => {
    const rows = await query<{ organization_id: string }>(ours, 'SELECT organization_id FROM customers');
    expect(rows).toEqual([{ organization_id: ours.organizationId }]);
    expect(await query(ours, 'SELECT id FROM organizations')).toEqual([{ id: ours.organizationId }]);
  });

  it.each<[string, string]>([
    [
      'an insert',
      `INSERT INTO customers (organization_id, id, name, email, updated_at) VALUES ($1, gen_random_uuid(), 'x', 'x', now())`,
    ],
    ['a move', 'UPDATE customers SET organization_id = $1'],
  ])('%s into another organization is refused', async (_how, text) => {
    await expect(query(ours, text, [theirs.organizationId])).rejects.toMatchObject({ code: '42501' });
  });

  it('an update reaches nothing of another organization', async () => {
    await query(ours, `UPDATE customers SET name = 'taken'`);
    expect(
      await stored.rows(theirs.organizationId, 'SELECT name FROM customers WHERE id = $1', [theirCustomer]),
    ).toEqual([{ name: 'Bakery' }]);
  });

  it('a foreign key into another organization is refused', async () => {
    const text = `INSERT INTO trackings (id, customer_id, name, kind, updated_at) VALUES (gen_random_uuid(), $1, 'x', 'PURCHASE', now())`;
    await expect(query(ours, text, [theirCustomer])).rejects.toMatchObject({ code: '23503' });
  });

  it('nothing runs outside of a scope', async () => {
    await expect(pool.query({ text: 'SELECT 1' }) as Promise<unknown>).rejects.toThrow(
      'There is no scope here',
    );
  });

  it('one connection serves two organizations in turn, with errors between, and mixes nothing up', async () => {
    let crossed = 0;
    for (let round = 0; round < 500; round += 1) {
      for (const scope of [ours, theirs]) {
        const rows = await query<{ organization_id: string }>(scope, 'SELECT organization_id FROM customers');
        if (rows.length !== 1 || rows[0]?.organization_id !== scope.organizationId) crossed += 1;
        if (round % 10 === 0)
          await expect(query(scope, 'SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
      }
    }
    expect(crossed).toBe(0);
  });
});

describe('the worker that looks for work without a job', () => {
  const lookFor = <Result>(work: () => PromiseLike<Result>) =>
    database.run({ purpose: 'redelivery' }, async () => work());

  /** @returns the set-up of an organization */
  async function createSetup(scope: OrganizationScope, status: 'PENDING' | 'SUCCEEDED'): Promise<string> {
    return database.run(scope, async () => {
      const { customer, tracking, googleConnection, trackingSetup } = database.client;
      const { id: customerId } = await customer.findFirstOrThrow();
      const { id: trackingId } = await tracking.create({
        data: { customerId, name: randomUUID(), kind: 'PAGE_VIEW' },
      });
      const { id: connectionId } = await googleConnection.create({
        data: { googleEmail: `${randomUUID()}@example.com` },
      });
      return (await trackingSetup.create({ data: { trackingId, connectionId, status } })).id;
    });
  }

  it('finds what is not finished, in every organization', async () => {
    const unfinished = [await createSetup(ours, 'PENDING'), await createSetup(theirs, 'PENDING')];
    const finished = await createSetup(ours, 'SUCCEEDED');
    const found = await lookFor(() => database.client.trackingSetup.findMany({ select: { id: true } }));
    const ids = found.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(unfinished));
    expect(ids).not.toContain(finished);
  });

  it.each(['customers', 'trackings', 'audit_log', 'users', 'memberships', 'dead_letters'])(
    'finds nothing in %s, even past the extension',
    async (table) => {
      const { rows } = await scopes.run(
        { purpose: 'redelivery' },
        (): Promise<pg.QueryResult> => pool.query({ text: `SELECT * FROM ${table}` }),
      );
      expect(rows).toEqual([]);
    },
  );

  it('changes nothing, with the extension or past it', async () => {
    const id = await createSetup(ours, 'PENDING');
    await expect(
      lookFor(() => database.client.trackingSetup.updateMany({ data: { status: 'FAILED' } })),
    ).rejects.toThrow(IsolationError);
    await expect(lookFor(() => database.client.customer.findMany())).rejects.toThrow(IsolationError);
    await scopes.run(
      { purpose: 'redelivery' },
      (): Promise<pg.QueryResult> => pool.query({ text: `UPDATE tracking_setups SET status = 'FAILED'` }),
    );
    const [setup] = await stored.rows(
      ours.organizationId,
      'SELECT status FROM tracking_setups WHERE id = $1',
      [id],
    );
    expect(setup).toEqual({ status: 'PENDING' });
  });
});

describe('through Prisma', () => {
  it.each([
    { what: 'a row that is looked for', orderBy: [], plans: { once: 10, each_time: 0 } },
    { what: 'a sorted page', orderBy: [{ name: 'asc' as const }], plans: { once: 0, each_time: 10 } },
  ])('$what is planned as is best for it', async ({ orderBy, plans }) => {
    const single = openDatabase(stored.url, { max: 1 });
    const found = await single.database.run(ours, async () => {
      for (let time = 1; time <= 10; time += 1) {
        await single.database.client.customer.findFirst({ where: { id: ours.organizationId }, orderBy });
      }
      return single.database.sql<{ once: number; each_time: number }>(
        (organizationId) => Prisma.sql`
          SELECT generic_plans::int AS once, custom_plans::int AS each_time FROM pg_prepared_statements
           WHERE statement LIKE 'SELECT "public"."customers"%' AND ${organizationId} <> ''`,
      );
    });
    await single.close();
    expect(found).toEqual([plans]);
  });

  it('two organizations that look for a row by its key at the same moment both find theirs', async () => {
    // Prisma would gather the two into one query, which ran in the scope of the first.
    const ids = await Promise.all(
      [ours, theirs].map((scope) => database.run(scope, () => database.client.customer.findFirstOrThrow())),
    );
    const found = await Promise.all(
      [ours, theirs].map((scope, index) =>
        database.run(scope, () =>
          database.client.customer.findUnique({ where: { id: ids[index]?.id ?? '' } }),
        ),
      ),
    );
    expect(found.map((customer) => customer?.organizationId)).toEqual([
      ours.organizationId,
      theirs.organizationId,
    ]);
  });

  it('interactive and batch transactions run under the scope', async () => {
    await database.run(ours, () =>
      database.transaction(async (client) => expect(await client.customer.count()).toBe(1)),
    );
    const counts = await database.run(ours, () =>
      access.client.$transaction([access.client.customer.count(), access.client.organization.count()]),
    );
    expect(counts).toEqual([1, 1]);
  });

  it('a person who signs in finds themselves, what they are a member of and what they are invited to', async () => {
    const identity = { firebaseUid: randomUUID(), verifiedEmail: `${randomUUID()}@example.com` };
    const { id: userId } = await database.run({ ...identity, userId: null }, () =>
      database.client.user.create({
        data: { firebaseUid: identity.firebaseUid, email: identity.verifiedEmail },
      }),
    );
    await database.run(ours, () => database.client.membership.create({ data: { userId, role: 'MEMBER' } }));
    await database.run(theirs, () =>
      database.client.invitation.create({ data: { email: identity.verifiedEmail, role: 'VIEWER' } }),
    );
    await database.run({ ...identity, userId }, async () => {
      const { user, membership, organization, invitation } = database.client;
      expect((await user.findMany()).map(({ id }) => id)).toEqual([userId]);
      expect((await membership.findMany()).map(({ organizationId }) => organizationId)).toEqual([
        ours.organizationId,
      ]);
      const organizations = (await organization.findMany()).map(({ id }) => id);
      expect(organizations.toSorted()).toEqual([ours.organizationId, theirs.organizationId].toSorted());
      expect((await invitation.findMany()).map(({ organizationId }) => organizationId)).toEqual([
        theirs.organizationId,
      ]);
    });
    // Members see each other.
    await database.run(ours, async () => {
      expect((await database.client.user.findMany()).map(({ id }) => id)).toEqual([userId]);
    });
  });
});
