import { randomUUID } from 'node:crypto';
import type { Answer, TestService } from './service.js';

export const PASSWORD = 'correct horse battery';

/** Somebody who is logged in to a tenant. */
export interface Client {
  readonly userId: string;
  readonly tenantId: string;
  readonly email: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  get(path: string): Promise<Answer>;
  post(path: string, body: unknown): Promise<Answer>;
  patch(path: string, body: unknown, version: number): Promise<Answer>;
  remove(path: string, version: number): Promise<Answer>;
}

/** Registers a new tenant, and gives its owner. */
export async function registerTenant(service: TestService): Promise<Client> {
  const email = `${randomUUID()}@example.com`;
  const answer = await service.post('/auth/register', {
    email,
    password: PASSWORD,
    name: 'Ada',
    tenantName: 'Acme',
  });
  if (answer.status !== 201)
    throw new Error(`registration answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return asClient(service, email, answer.body);
}

/** Whoever holds a session. */
export function asClient(
  service: TestService,
  email: string,
  session: { accessToken: string; refreshToken: string; tenantId: string },
): Client {
  const { accessToken, refreshToken, tenantId } = session;
  const authorization = `Bearer ${accessToken}`;
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString());
  const ifMatch = (version: number) => ({ authorization, 'if-match': `"${version}"` });
  return {
    userId: claims.sub,
    tenantId,
    email,
    accessToken,
    refreshToken,
    get: (path) => service.get(path, { authorization }),
    post: (path, body) => service.post(path, body, { authorization }),
    patch: (path, body, version) => service.patch(path, body, ifMatch(version)),
    remove: (path, version) => service.request('DELETE', path, undefined, ifMatch(version)),
  };
}

/** Creates a project, and gives its id. */
export async function createProject(client: Client, name = `Project ${randomUUID()}`): Promise<string> {
  const { status, body } = await client.post('/projects', { name });
  if (status !== 201) throw new Error(`POST /projects answered ${status}: ${JSON.stringify(body)}`);
  return body.id;
}

/** Creates a task, and gives its id. */
export async function createTask(client: Client, projectId: string, changes: object = {}): Promise<string> {
  const { status, body } = await client.post('/tasks', {
    projectId,
    title: 'A task',
    type: 'chore',
    ...changes,
  });
  if (status !== 201) throw new Error(`POST /tasks answered ${status}: ${JSON.stringify(body)}`);
  return body.id;
}
