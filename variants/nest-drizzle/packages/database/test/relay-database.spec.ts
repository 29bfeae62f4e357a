import { randomUUID } from 'node:crypto';
import type { Envelope } from '@app/shared';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RelayDatabase } from '../src/relay-database.js';
import { outbox } from '../src/schema/index.js';
import type { TenantDatabase } from '../src/tenant-database.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { connect, createTenant } from './support/tenants.js';

let database: TestDatabase;
let pool: pg.Pool;
let tenants: TenantDatabase;
let relay: RelayDatabase;

beforeAll(async () => {
  database = await createDatabase();
  ({ pool, tenants } = connect(database));
  relay = new RelayDatabase(pool);
});

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

it('says how many events of all tenants wait, and for how long the oldest has', async () => {
  expect(await relay.backlog()).toEqual({ events: 0, ageSeconds: 0 });

  for (const secondsAgo of [90, 30]) {
    const { tenantId } = await createTenant(database);
    const createdAt = new Date(Date.now() - secondsAgo * 1_000);
    const row = { tenantId, id: randomUUID(), subject: 'events.x', event: {} as Envelope, createdAt };
    await tenants.run({ tenantId }, () => tenants.db.insert(outbox).values(row));
  }

  const { events, ageSeconds } = await relay.backlog();
  expect(events).toBe(2);
  expect(ageSeconds).toBeGreaterThanOrEqual(90);
  expect(ageSeconds).toBeLessThan(120);

  await relay.relay(10, async (rows) => rows);
  expect(await relay.backlog()).toEqual({ events: 0, ageSeconds: 0 });
});
