import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { type Answer, startService, type TestService } from './support/service.js';
import { type Client, createProject, createTask, registerTenant } from './support/tenants.js';

let database: TestDatabase;
let service: TestService;
let a: Client;
let b: Client;
let project: string;
let task: string;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database, { DATABASE_POOL_MAX: '2' });
  [a, b] = await Promise.all([registerTenant(service), registerTenant(service)]);
  project = await createProject(b);
  task = await createTask(b, project);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

/** All of an answer that a client can see, without what differs between any two requests. */
function visible({ status, headers, body }: Answer, id: string): unknown {
  const { requestId, ...rest } = body ?? {};
  const names = [...headers.keys()].filter(
    (name) => !['date', 'x-request-id', 'content-length'].includes(name),
  );
  expect(requestId).toBe(headers.get('x-request-id'));
  return JSON.parse(JSON.stringify({ status, names, rest }).replaceAll(id, 'ID'));
}

describe('another tenant’s id is answered as one that nobody has', () => {
  it.each([
    ['GET', '/projects', () => project],
    ['PATCH', '/projects', () => project],
    ['DELETE', '/projects', () => project],
    ['GET', '/tasks', () => task],
    ['PATCH', '/tasks', () => task],
    ['DELETE', '/tasks', () => task],
  ])('by %s %s/:id', async (method, path, theirs) => {
    const ask = (id: string) => {
      if (method === 'GET') return a.get(`${path}/${id}`);
      if (method === 'PATCH')
        return a.patch(`${path}/${id}`, path === '/tasks' ? { title: 'x' } : { name: 'x' }, 1);
      return a.remove(`${path}/${id}`, 1);
    };
    const nobodys = randomUUID();
    const [other, none] = [await ask(theirs()), await ask(nobodys)];
    expect(none.status).toBe(404);
    expect(visible(other, theirs())).toEqual(visible(none, nobodys));
  });

  it('as the project of a new task, and of one that moves', async () => {
    const own = await createProject(a);
    const mine = await createTask(a, own);
    const create = (projectId: string) => a.post('/tasks', { projectId, title: 'x', type: 'bug' });
    const move = (projectId: string) => a.patch(`/tasks/${mine}`, { projectId }, 1);
    for (const ask of [create, move]) {
      const nobodys = randomUUID();
      const [other, none] = [await ask(project), await ask(nobodys)];
      expect([none.status, none.body.code]).toEqual([404, 'PROJECT_NOT_FOUND']);
      expect(visible(other, project)).toEqual(visible(none, nobodys));
    }
  });

  it('as the assignee of a task', async () => {
    const own = await createProject(a);
    const assign = (assigneeId: string) =>
      a.post('/tasks', { projectId: own, title: 'x', type: 'bug', assigneeId });
    const nobodys = randomUUID();
    const [other, none] = [await assign(b.userId), await assign(nobodys)];
    expect([none.status, none.body.code]).toEqual([404, 'MEMBER_NOT_FOUND']);
    expect(visible(other, b.userId)).toEqual(visible(none, nobodys));
    expect((await assign(a.userId)).status).toBe(201);
  });
});

it('shows a tenant nothing of another in its lists, whatever is asked for', async () => {
  const own = await createProject(a);
  const projects = (await a.get('/projects?limit=100')).body.data.map(({ id }: { id: string }) => id);
  expect(projects).toContain(own);
  expect(projects).not.toContain(project);
  for (const query of [`projectId=${project}`, `assigneeId=${b.userId}`]) {
    expect((await a.get(`/tasks?${query}`)).body.data).toEqual([]);
  }
});

it.each(['tenantId', 'tenant_id', 'id', 'version', 'deletedAt'])(
  'refuses a body that names %s, and stores nothing',
  async (member) => {
    const name = `smuggled ${randomUUID()}`;
    const { status } = await a.post('/projects', { name, [member]: b.tenantId });
    expect(status).toBe(400);
    for (const client of [a, b])
      expect((await client.get(`/projects?q=${encodeURIComponent(name)}`)).body.data).toEqual([]);
  },
);

it('lets two tenants use one name, and one tenant use a deleted one again', async () => {
  const name = `Shared ${randomUUID()}`;
  const mine = await createProject(a, name);
  await createProject(b, name);
  const taken = await a.post('/projects', { name });
  expect([taken.status, taken.body.code]).toEqual([409, 'PROJECT_NAME_TAKEN']);
  expect((await a.remove(`/projects/${mine}`, 1)).status).toBe(204);
  expect((await a.get(`/projects/${mine}`)).status).toBe(404);
  await createProject(a, name);
});

it('mixes no tenants up under load over two connections', async () => {
  const [ofA, ofB] = [await createProject(a), await createProject(b)];
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      index % 2 === 0 ? a.get(`/projects/${ofA}`) : b.get(`/projects/${ofB}`),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(answers.map(({ body }) => body.id)).toEqual(
    answers.map((_, index) => (index % 2 === 0 ? ofA : ofB)),
  );
  const crossed = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      index % 2 === 0 ? a.get(`/projects/${ofB}`) : b.get(`/projects/${ofA}`),
    ),
  );
  expect(new Set(crossed.map(({ status }) => status))).toEqual(new Set([404]));
});
