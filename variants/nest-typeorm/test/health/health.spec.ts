import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startService, type TestService } from '../support/service.js';

let database: TestDatabase;
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

it('is ready while the database answers, and says how fast', async () => {
  const { status, headers, body } = await service.get('/health/ready');
  expect(status).toBe(200);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(body).toMatchObject({ status: 'ok', details: { database: { status: 'up' } } });
  expect(JSON.stringify(body)).toMatch(/"(latency|responseTime|latencyMs)":\d/);
});

it('is not ready when the database refuses it, stays alive, and recovers by itself', async () => {
  const name = new URL(database.url).pathname.slice(1);
  const owner = await database.owner.connect();
  const application = new pg.Client(database.url);
  await application.connect();
  try {
    await owner.query(`ALTER DATABASE ${name} CONNECTION LIMIT 0`);
    // A role may end its own connections: as a restart of the server would.
    const ended = await application.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()',
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
    const { status, headers, body } = await service.get('/events');
    expect([status, body.code]).toEqual([503, 'DATABASE_UNAVAILABLE']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  } finally {
    await owner.query(`ALTER DATABASE ${name} CONNECTION LIMIT -1`);
    owner.release();
    await application.end();
  }
  expect((await service.get('/health/ready')).status).toBe(200);
  expect((await service.get('/events')).status).toBe(200);
});
