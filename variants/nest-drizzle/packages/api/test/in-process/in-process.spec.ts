import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../database/test/support/database.js';
import { startService, type TestService } from '../support/service.js';
import { type Client, createProject, createTask, registerTenant } from '../support/tenants.js';

let database: TestDatabase;
let service: TestService;
let ada: Client;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  ada = await registerTenant(service);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const eventually = <Result>(check: () => Promise<Result>) =>
  vi.waitFor(check, { timeout: 15_000, interval: 20 });

const tasksCreated = async (projectId: string) =>
  (await ada.get(`/projects/${projectId}/stats`)).body.tasksCreated;

/** Runs a statement over the outbox of all tenants, as the relay does. */
async function inOutbox<Row extends object>(statement: string, values: unknown[] = []): Promise<Row[]> {
  const client = await database.owner.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.relay', 'on', true), set_config('app.tenant_id', $1, true)`, [
      ada.tenantId,
    ]);
    const { rows } = await client.query<Row>(statement, values);
    await client.query('COMMIT');
    return rows;
  } finally {
    client.release();
  }
}

const outbox = () =>
  inOutbox<{ attempts: number; failure: string; dead: boolean }>(
    `SELECT attempts, failure, retry_at = 'infinity' AS dead FROM outbox ORDER BY id`,
  );

/** From then on no statistics are written, until the function that is returned is called. */
async function breakStatistics(): Promise<() => Promise<unknown>> {
  await database.owner.query(`
    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no statistics today'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON project_stats FOR EACH ROW EXECUTE FUNCTION refuse()`);
  return () => database.owner.query('DROP TRIGGER refuse ON project_stats');
}

it('gives an event that could not be handled to its handler again, and to nobody twice', async () => {
  const projectId = await createProject(ada);
  const mend = await breakStatistics();
  await createTask(ada, projectId);
  await eventually(async () =>
    expect(await outbox()).toEqual([
      { attempts: 1, failure: expect.stringContaining('project-stats: '), dead: false },
    ]),
  );
  // The reason is stored, and names no parameters of the query.
  const [{ failure } = { failure: '' }] = await outbox();
  expect(failure).toMatch(/Failed query: .*PostgreSQL refused a value \(P0001\)/s);
  expect(failure).not.toContain('params');
  await mend();
  await eventually(async () => expect(await outbox()).toEqual([]));
  expect(await tasksCreated(projectId)).toBe(1);
});

it('keeps an event that fails each time as a dead letter, and goes on with what comes after it', async () => {
  const projectId = await createProject(ada);
  const mend = await breakStatistics();
  await createTask(ada, projectId);
  await eventually(async () => expect(await outbox()).toMatchObject([{ attempts: 1 }]));
  // What would take it more than a minute.
  await inOutbox('UPDATE outbox SET attempts = 4, retry_at = now()');
  await eventually(async () =>
    expect(await outbox()).toEqual([
      { attempts: 5, failure: expect.stringContaining('project-stats: '), dead: true },
    ]),
  );
  await mend();
  const other = await createProject(ada);
  await createTask(ada, other);
  await eventually(async () => expect(await tasksCreated(other)).toBe(1));
  expect(await outbox()).toHaveLength(1);

  // Whoever has mended the cause may let it try again.
  await inOutbox(`UPDATE outbox SET attempts = 0, retry_at = now() WHERE retry_at = 'infinity'`);
  await eventually(async () => expect(await outbox()).toEqual([]));
  expect(await tasksCreated(projectId)).toBe(1);
});

it('does not try an event again that breaks its contract', async () => {
  const id = randomUUID();
  const event = {
    specversion: '1.0',
    id,
    source: '/test',
    type: 'task.created.v1',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    tenantid: ada.tenantId,
    data: { id: 'x' },
  };
  await inOutbox(`INSERT INTO outbox (tenant_id, id, subject, event) VALUES ($1, $2, 'x', $3)`, [
    ada.tenantId,
    id,
    event,
  ]);
  await eventually(async () =>
    expect(await outbox()).toEqual([
      { attempts: 1, failure: expect.stringContaining('breaks its contract'), dead: true },
    ]),
  );
});
