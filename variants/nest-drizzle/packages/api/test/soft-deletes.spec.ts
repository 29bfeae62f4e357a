import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { startService, type TestService } from './support/service.js';
import { type Client, createProject, createTask, registerTenant } from './support/tenants.js';

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

const taskIds = async (query = ''): Promise<string[]> =>
  (await ada.get(`/tasks?limit=100${query}`)).body.data.map(({ id }: { id: string }) => id);

it('hides the tasks of a deleted project until it is restored', async () => {
  const [deleted, other] = [await createProject(ada), await createProject(ada)];
  const [gone, kept] = [await createTask(ada, deleted), await createTask(ada, other)];
  expect((await ada.remove(`/projects/${deleted}`, 1)).status).toBe(204);

  expect(await taskIds()).toEqual([kept]);
  expect(await taskIds(`&projectId=${deleted}`)).toEqual([]);
  const refused = [
    await ada.get(`/tasks/${gone}`),
    await ada.patch(`/tasks/${gone}`, { title: 'x' }, 1),
    await ada.patch(`/tasks/${gone}`, { projectId: other }, 1),
    await ada.remove(`/tasks/${gone}`, 1),
  ];
  expect(refused.map(({ status, body }) => [status, body.code])).toEqual(
    refused.map(() => [404, 'TASK_NOT_FOUND']),
  );
  const unknown = [
    await ada.post('/tasks', { projectId: deleted, title: 'x', type: 'bug' }),
    await ada.patch(`/tasks/${kept}`, { projectId: deleted }, 1),
    await ada.get(`/projects/${deleted}/stats`),
  ];
  expect(unknown.map(({ status, body }) => [status, body.code])).toEqual(
    unknown.map(() => [404, 'PROJECT_NOT_FOUND']),
  );

  const { status, headers, body } = await ada.post(`/projects/${deleted}/restore`, undefined);
  expect([status, headers.get('etag'), body.version]).toEqual([200, '"3"', 3]);
  expect((await taskIds()).sort()).toEqual([gone, kept].sort());
  expect((await ada.patch(`/tasks/${gone}`, { title: 'x' }, 1)).status).toBe(200);
});

it('restores a project once, and not into a name that is taken', async () => {
  const projectId = await createProject(ada, 'Engine');
  expect((await ada.post(`/projects/${projectId}/restore`, undefined)).body.version).toBe(1);
  await ada.remove(`/projects/${projectId}`, 1);
  const successor = await createProject(ada, 'Engine');
  const { status, body } = await ada.post(`/projects/${projectId}/restore`, undefined);
  expect([status, body.code]).toEqual([409, 'PROJECT_NAME_TAKEN']);
  await ada.remove(`/projects/${successor}`, 1);
  expect((await ada.post(`/projects/${projectId}/restore`, undefined)).body.name).toBe('Engine');
});

it('answers a restore of another tenant’s project like nobody’s', async () => {
  const bob = await registerTenant(service);
  const projectId = await createProject(ada);
  await ada.remove(`/projects/${projectId}`, 1);
  expect((await bob.post(`/projects/${projectId}/restore`, undefined)).body.code).toBe('PROJECT_NOT_FOUND');
  expect((await ada.get(`/projects/${projectId}`)).status).toBe(404);
});
