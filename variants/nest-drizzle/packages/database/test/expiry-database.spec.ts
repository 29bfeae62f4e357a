import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ExpiryDatabase } from '../src/expiry-database.js';
import { idempotencyKeys, inbox, invitations, refreshTokens } from '../src/schema/index.js';
import type { TenantDatabase } from '../src/tenant-database.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { connect, createTenant, type Tenant } from './support/tenants.js';

const HOUR_MS = 3_600_000;
const hoursAgo = (hours: number) => new Date(Date.now() - hours * HOUR_MS);

let database: TestDatabase;
let pool: pg.Pool;
let tenants: TenantDatabase;
let both: Tenant[];

beforeAll(async () => {
  database = await createDatabase();
  ({ pool, tenants } = connect(database));
  both = await Promise.all([createTenant(database), createTenant(database)]);
});

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

const remember = ({ tenantId }: Tenant, key: string, createdAt: Date) =>
  tenants.run({ tenantId }, async () => {
    const row = { tenantId, createdAt };
    await tenants.db
      .insert(idempotencyKeys)
      .values({ ...row, key, fingerprint: Buffer.alloc(32), response: {} });
    await tenants.db.insert(inbox).values({ ...row, consumer: key, eventId: randomUUID() });
  });

const remembered = (tenant: Tenant) =>
  tenants.run(tenant, async () => ({
    keys: (await tenants.db.select().from(idempotencyKeys)).map(({ key }) => key),
    consumers: (await tenants.db.select().from(inbox)).map(({ consumer }) => consumer),
  }));

it('forgets what is older than it is told, of all tenants, and nothing else', async () => {
  for (const tenant of both) {
    await remember(tenant, 'old', hoursAgo(25));
    await remember(tenant, 'new', hoursAgo(23));
  }
  const expiry = new ExpiryDatabase(pool);
  expect(await expiry.forget('idempotencyKeys', hoursAgo(24))).toBe(2);
  for (const tenant of both)
    expect(await remembered(tenant)).toEqual({ keys: ['new'], consumers: ['old', 'new'] });
  expect(await expiry.forget('inbox', hoursAgo(24))).toBe(2);
  for (const tenant of both) expect(await remembered(tenant)).toEqual({ keys: ['new'], consumers: ['new'] });
});

it('deletes old refresh tokens and invitations of all tenants, and no others', async () => {
  const add = ({ tenantId, userId }: Tenant, createdAt: Date) =>
    tenants.run({ tenantId }, async () => {
      const row = () => ({
        tenantId,
        id: randomUUID(),
        hash: randomBytes(32),
        expiresAt: createdAt,
        createdAt,
      });
      await tenants.db.insert(refreshTokens).values({ ...row(), userId, familyId: randomUUID() });
      await tenants.db.insert(invitations).values({ ...row(), email: 'ada@example.com', role: 'member' });
    });
  const left = (tenant: Tenant) =>
    tenants.run(tenant, async () => [
      (await tenants.db.select().from(refreshTokens)).length,
      (await tenants.db.select().from(invitations)).length,
    ]);
  for (const tenant of both) {
    await add(tenant, hoursAgo(49));
    await add(tenant, hoursAgo(47));
  }
  const expiry = new ExpiryDatabase(pool);
  expect(await expiry.forget('refreshTokens', hoursAgo(48))).toBe(2);
  expect(await expiry.forget('invitations', hoursAgo(48))).toBe(2);
  for (const tenant of both) expect(await left(tenant)).toEqual([1, 1]);
});

it('sees nothing else through its door', async () => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.expired_before', 'infinity', true)`);
    for (const table of ['projects', 'tasks', 'outbox', 'memberships', 'users']) {
      const { rows } = await client.query(`SELECT count(*)::int AS count FROM ${table}`);
      expect(rows).toEqual([{ count: 0 }]);
    }
    await client.query('ROLLBACK');
    const { rows } = await client.query('SELECT count(*)::int AS count FROM idempotency_keys');
    expect(rows).toEqual([{ count: 0 }]);
  } finally {
    client.release();
  }
});

it('forgets more than fits one transaction', async () => {
  const [tenant] = both as [Tenant];
  const old = hoursAgo(100);
  await tenants.run(tenant, () =>
    tenants.db.insert(inbox).values(
      Array.from({ length: 2_500 }, () => ({
        tenantId: tenant.tenantId,
        consumer: 'many',
        eventId: randomUUID(),
        createdAt: old,
      })),
    ),
  );
  expect(await new ExpiryDatabase(pool).forget('inbox', hoursAgo(99))).toBe(2_500);
});
