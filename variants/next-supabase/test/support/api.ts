import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all shapes
  readonly body: any;
}

interface Options {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** Sends a request to the service that test files share, or to the one at `base`. */
export async function call(
  method: string,
  path: string,
  { token, body, headers }: Options = {},
  base = inject('url'),
): Promise<Answer> {
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

export interface TestUser {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly token: string;
  readonly refreshToken: string;
}

/** A user of a test's own, signed in. */
export async function newUser(): Promise<TestUser> {
  const email = `${randomUUID()}@example.com`;
  const password = randomUUID();
  const { body, status } = await call('POST', '/api/v1/auth/sign-up', { body: { email, password } });
  if (status !== 201) throw new Error(`sign-up answered ${status}: ${JSON.stringify(body)}`);
  const { user, accessToken, refreshToken } = body.data;
  return { id: user.id, email, password, token: accessToken, refreshToken };
}

/** A project of a user's. */
export async function newProject(user: TestUser, input: object = {}): Promise<Answer['body']> {
  const { body, status } = await call('POST', '/api/v1/projects', {
    token: user.token,
    body: { name: 'Analytical engine', ...input },
  });
  if (status !== 201) throw new Error(`creating a project answered ${status}: ${JSON.stringify(body)}`);
  return body.data;
}

/** Makes a user a member of another's project. */
export async function addMember(
  owner: TestUser,
  projectId: string,
  userId: string,
  role: string,
): Promise<void> {
  const { status, body } = await call('POST', `/api/v1/projects/${projectId}/members`, {
    token: owner.token,
    body: { userId, role },
  });
  if (status !== 201) throw new Error(`adding a member answered ${status}: ${JSON.stringify(body)}`);
}
