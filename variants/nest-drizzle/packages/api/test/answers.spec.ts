import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { ProjectsService } from '../src/projects/projects.service.js';
import { startService, type TestService } from './support/service.js';
import { type Client, createProject, registerTenant } from './support/tenants.js';

let database: TestDatabase;
let service: TestService;
let ada: Client;
let id: string;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  ada = await registerTenant(service);
  id = await createProject(ada, 'Engine');
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

it('sends no member that the schema of an answer does not name', async () => {
  const projects = service.app.get(ProjectsService);
  const project = await (await ada.get(`/projects/${id}`)).body;
  const get = vi.spyOn(projects, 'get').mockResolvedValueOnce({ ...project, tenantId: ada.tenantId });
  expect((await ada.get(`/projects/${id}`)).body).toEqual(project);
  expect(get).toHaveBeenCalledOnce();
});

it('sends nothing that breaks its schema, and does not say what it was', async () => {
  const projects = service.app.get(ProjectsService);
  const project = await (await ada.get(`/projects/${id}`)).body;
  vi.spyOn(projects, 'get').mockResolvedValueOnce({ ...project, name: ['secret'] as never });
  const answer = await ada.get(`/projects/${id}`);
  expect(answer.status).toBe(500);
  expect(answer.body.code).toBe('INTERNAL');
  expect(JSON.stringify(answer.body)).not.toContain('secret');
});
