import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { startService, type TestService } from './support/service.js';
import { type Client, createProject, registerTenant } from './support/tenants.js';

let database: TestDatabase;
let service: TestService;
let ada: Client;
let projectId: string;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  ada = await registerTenant(service);
  projectId = await createProject(ada);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

function create(key: string, title = 'A task', client = ada) {
  const task = { projectId, title, type: 'chore' };
  const authorization = `Bearer ${client.accessToken}`;
  return service.post('/tasks', task, { authorization, 'idempotency-key': key });
}

const titles = async (): Promise<string[]> =>
  (await ada.get(`/tasks?projectId=${projectId}&limit=100`)).body.data.map(
    ({ title }: { title: string }) => title,
  );

it('answers a repetition like the first, to the byte, and has one effect', async () => {
  const key = randomUUID();
  const [first, second] = [await create(key, 'once'), await create(key, 'once')];
  expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([201, null]);
  expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
  expect(JSON.stringify(second.body)).toBe(JSON.stringify(first.body));
  expect((await titles()).filter((title) => title === 'once')).toHaveLength(1);
});

it('has one effect when it comes 50 times at once through two processes', async () => {
  const other = await startService(database);
  const key = randomUUID();
  const authorization = `Bearer ${ada.accessToken}`;
  const task = { projectId, title: 'fifty', type: 'chore' };
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      (index % 2 === 0 ? service : other).post('/tasks', task, { authorization, 'idempotency-key': key }),
    ),
  );
  await other.stop();
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect((await titles()).filter((title) => title === 'fifty')).toHaveLength(1);
});

it('is refused with another request', async () => {
  const key = randomUUID();
  await create(key, 'one thing');
  const { status, body } = await create(key, 'another thing');
  expect([status, body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
  expect(await titles()).not.toContain('another thing');
});

it('keeps nothing of a request that failed', async () => {
  const key = randomUUID();
  const authorization = `Bearer ${ada.accessToken}`;
  const missing = { projectId: randomUUID(), title: 'x', type: 'chore' };
  expect((await service.post('/tasks', missing, { authorization, 'idempotency-key': key })).status).toBe(404);
  expect((await create(key, 'after a failure')).status).toBe(201);
});

it('is the tenant’s own: another’s key is another key', async () => {
  const grace = await registerTenant(service);
  const key = randomUUID();
  expect((await create(key)).status).toBe(201);
  const theirs = await createProject(grace);
  const authorization = `Bearer ${grace.accessToken}`;
  const task = { projectId: theirs, title: 'x', type: 'chore' };
  expect((await service.post('/tasks', task, { authorization, 'idempotency-key': key })).status).toBe(201);
});
