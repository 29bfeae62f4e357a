import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { type Client, createCustomer, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

let database: TestDatabase;
let service: TestService;
let owner: Client;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  owner = await newOwner(service);
});

afterAll(async () => {
  await service.stop();
  await database.drop();
});

it('is ready while PostgreSQL and Valkey answer, and says how fast', async () => {
  const { status, headers, body } = await service.get('/health/ready');
  expect(status).toBe(200);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(body).toMatchObject({
    status: 'ok',
    details: { database: { status: 'up' }, valkey: { status: 'up' } },
  });
  expect(JSON.stringify(body)).toMatch(/"(latency|responseTime|latencyMs)":\d/);
});

it('loses the requests whose connections are lost while in use, and nothing else', async () => {
  const { id } = await createCustomer(owner);
  const holder = await database.owner.connect();
  const application = new pg.Client(database.url);
  await application.connect();
  try {
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE customers IN ACCESS EXCLUSIVE MODE');
    const requests = [owner.get(`/api/v1/customers/${id}`), owner.patch(`/api/v1/customers/${id}`, {}, 1)];
    await eventually(async () => {
      const { rows } = await application.query(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(rows).toHaveLength(requests.length);
    });
    await application.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()`,
    );
    for (const { status, body } of await Promise.all(requests)) {
      expect([status, body.code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
    }
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
    await application.end();
  }
  expect((await owner.get(`/api/v1/customers/${id}`)).status).toBe(200);
});

it('is not ready when the database refuses it, stays alive, and recovers by itself', async () => {
  const name = new URL(database.url).pathname.slice(1);
  const admin = await database.owner.connect();
  const application = new pg.Client(database.url);
  await application.connect();
  try {
    await admin.query(`ALTER DATABASE ${name} CONNECTION LIMIT 0`);
    // A role may end its own connections: as a restart of the server would.
    const ended = await application.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()`,
    );
    expect(ended.rowCount).toBeGreaterThan(0);

    const down = await service.get('/health/ready');
    expect([down.status, down.body.status, down.body.details.database.status]).toEqual([
      503,
      'error',
      'down',
    ]);
    expect(JSON.stringify(down.body)).not.toMatch(/127\.0\.0\.1|localhost|connections/);
    expect((await service.get('/health/live')).status).toBe(200);
    for (const answer of [
      await owner.get('/api/v1/customers'),
      await owner.post('/api/v1/customers', { name: 'x', email: 'x@example.com' }),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  } finally {
    await admin.query(`ALTER DATABASE ${name} CONNECTION LIMIT -1`);
    admin.release();
    await application.end();
  }
  expect((await service.get('/health/ready')).status).toBe(200);
  expect((await owner.get('/api/v1/customers')).status).toBe(200);
});
