import { randomUUID } from 'node:crypto';
import type { Envelope } from '@app/shared';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
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
  expect(await relay.backlog()).toEqual({ events: 0, ageSeconds: 0, dead: 0 });

  for (const secondsAgo of [90, 30]) {
    const { tenantId } = await createTenant(database);
    const createdAt = new Date(Date.now() - secondsAgo * 1_000);
    const row = { tenantId, id: randomUUID(), subject: 'events.x', event: {} as Envelope, createdAt };
    await tenants.run({ tenantId }, () => tenants.db.insert(outbox).values(row));
  }

  const { events, ageSeconds, dead } = await relay.backlog();
  expect([events, dead]).toEqual([2, 0]);
  expect(ageSeconds).toBeGreaterThanOrEqual(90);
  expect(ageSeconds).toBeLessThan(120);

  await relay.relay(10, async (rows) => ({ arrived: rows, refused: [] }));
  expect(await relay.backlog()).toEqual({ events: 0, ageSeconds: 0, dead: 0 });
});

it('tries what was refused again when it is time, and keeps what is refused for good', async () => {
  const { tenantId } = await createTenant(database);
  const [later, never] = [randomUUID(), randomUUID()];
  await tenants.run({ tenantId }, () =>
    tenants.db
      .insert(outbox)
      .values([later, never].map((id) => ({ tenantId, id, subject: 'events.x', event: {} as Envelope }))),
  );
  const seen: { id: string; attempts: number }[] = [];
  const refuse = (retryInMs: number) =>
    relay.relay(10, async (rows) => {
      seen.push(...rows.map(({ id, attempts }) => ({ id, attempts })));
      return {
        arrived: [],
        refused: rows.map((row) => ({ row, reason: 'no', ...(row.id === later && { retryInMs }) })),
      };
    });
  expect(await refuse(50)).toEqual({ claimed: 2, published: 0 });
  expect(await refuse(60_000)).toEqual({ claimed: 0, published: 0 });
  await vi.waitFor(async () => expect((await refuse(60_000)).claimed).toBe(1), {
    timeout: 5_000,
    interval: 20,
  });
  expect(seen.at(-1)).toEqual({ id: later, attempts: 1 });
  expect(await relay.backlog()).toMatchObject({ events: 1, dead: 1 });
});
