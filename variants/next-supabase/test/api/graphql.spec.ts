import { buildSchema, parse, validate } from 'graphql';
import pg from 'pg';
import { beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { execute } from '@/lib/graphql/execute';
import { limitsRule } from '@/lib/graphql/limits';
import { hashOf, OPERATIONS } from '@/lib/graphql/operations';
import { addMember, call, newProject, newUser, type TestUser } from '../support/api';
import { startService } from '../support/service';

let user: TestUser;
let stranger: TestUser;
let projects: { id: string; name: string }[];

const send = (body: object, token = user.token, base = inject('url')) =>
  call('POST', '/api/graphql', { token, body }, base);

beforeAll(async () => {
  [user, stranger] = [await newUser(), await newUser()];
  projects = [];
  for (const name of ['Loom', 'Engine', 'Tables']) projects.push(await newProject(user, { name }));
  await addMember(user, (projects[0] as { id: string }).id, stranger.id, 'viewer');
});

const LIST = '{ projects { data { id name members { userId role } } nextCursor } }';

describe('GraphQL', () => {
  it('reads projects with their members, as the caller', async () => {
    const { status, body } = await send({ query: LIST });
    expect(status).toBe(200);
    expect(body.data.projects.data.map(({ name }: { name: string }) => name)).toEqual([
      'Tables',
      'Engine',
      'Loom',
    ]);
    expect(body.data.projects.data[2].members).toEqual([
      { userId: user.id, role: 'owner' },
      { userId: stranger.id, role: 'viewer' },
    ]);
    const theirs = await send({ query: LIST }, stranger.token);
    expect(theirs.body.data.projects.data.map(({ name }: { name: string }) => name)).toEqual(['Loom']);
  });

  it('shows nobody what the policies hide', async () => {
    const query = `{ project(id: "${projects[1]?.id}") { id } }`;
    expect((await send({ query }, stranger.token)).body).toEqual({ data: { project: null } });
    expect((await call('POST', '/api/graphql', { body: { query } })).status).toBe(401);
  });

  it('writes through the same services, with their errors', async () => {
    const made = await send({ query: 'mutation { createProject(input: { name: "New" }) { id version } }' });
    const { id } = made.body.data.createProject;
    const update = (version: number, token = user.token) =>
      send(
        {
          query: `mutation { updateProject(id: "${id}", version: ${version}, changes: { name: "Newer" }) { version } }`,
        },
        token,
      );
    expect((await update(1)).body.data.updateProject).toEqual({ version: 2 });
    expect((await update(1)).body.errors[0].extensions).toMatchObject({ code: 'VERSION_CONFLICT' });
    expect((await update(2, stranger.token)).body.errors[0].extensions.code).toBe('PROJECT_NOT_FOUND');
    const blank = await send({ query: 'mutation { createProject(input: { name: " " }) { id } }' });
    expect(blank.body.errors[0].extensions).toMatchObject({
      code: 'VALIDATION_FAILED',
      errors: [{ pointer: '/name' }],
    });
    const removed = await send({ query: `mutation { deleteProject(id: "${id}", version: 2) }` });
    expect(removed.body.data.deleteProject).toBe(id);
  });

  it('lets an API key read and write as far as its scopes reach', async () => {
    const { body } = await call('POST', '/api/v1/api-keys', {
      token: user.token,
      body: { name: 'ci', scopes: ['projects:read'] },
    });
    const { key } = body.data;
    expect((await send({ query: LIST }, key)).body.data.projects.data).toHaveLength(3);
    const write = await send({ query: 'mutation { createProject(input: { name: "New" }) { id } }' }, key);
    expect(write.body.errors[0].extensions.code).toBe('INSUFFICIENT_SCOPE');
  });

  it('asks the database for the members of all projects at once', async () => {
    vi.stubEnv('ENCRYPTION_KEYS', 'e'.repeat(64));
    const query = vi.spyOn(pg.Client.prototype, 'query');
    const statements = () =>
      query.mock.calls.flatMap(([first]) => {
        const text = typeof first === 'string' ? first : (first as { text?: string }).text;
        return text?.includes('SELECT m.*') || text?.includes('SELECT p.*') ? [text] : [];
      });
    const caller = {
      kind: 'session',
      userId: user.id,
      sessionId: 'none',
      accessToken: '',
      isAdmin: false,
    } as const;
    const body = await execute(caller, { query: LIST });
    expect((body as { data: { projects: { data: unknown[] } } }).data.projects.data).toHaveLength(3);
    expect(statements()).toHaveLength(2);
    query.mockRestore();
  });
});

describe('an operation', () => {
  it.each([
    ['costs too much', '{ projects(limit: 100) { data { members(limit: 100) { userId role } } } }'],
    [
      'may cost too much',
      'query Q($n: Int) { projects(limit: $n) { data { members(limit: $n) { userId } } } }',
    ],
    [
      'names a field over and over',
      `{ ${Array.from({ length: 21 }, (_, n) => `a${n}: __typename`).join(' ')} }`,
    ],
  ])('that %s is refused', async (_, query) => {
    const { body } = await send({ query });
    expect(body.errors[0].extensions.code).toBe('OPERATION_TOO_LARGE');
  });

  it('that grows by fragments is refused as quickly as any other', async () => {
    const fragments = Array.from(
      { length: 30 },
      (_, n) => `fragment F${n} on Project { ${n === 29 ? 'id' : `...F${n + 1} ...F${n + 1}`} }`,
    );
    const { body } = await send({ query: `{ projects { data { ...F0 } } } ${fragments.join(' ')}` });
    expect(body.errors[0].extensions.code).toBe('OPERATION_TOO_LARGE');
  });

  it('that asks for the schema is refused in production', async () => {
    const { body } = await send({ query: '{ __schema { types { name } } }' });
    expect(body.errors[0].extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
  });

  it('may be named by its hash', async () => {
    const named = (hash: string) =>
      send({
        variables: { limit: 2 },
        extensions: { persistedQuery: { version: 1, sha256Hash: hash } },
      });
    const { body } = await named(hashOf(OPERATIONS.projectsWithMembers));
    expect(body.data.projects.data).toHaveLength(2);
    expect((await named(hashOf('{ __typename }'))).body.errors[0].extensions.code).toMatch(
      /^PERSISTED_QUERY/,
    );
  });

  it('must be named by its hash where the service wants that', async () => {
    const strict = await startService({ GRAPHQL_PERSISTED_ONLY: 'true' });
    const arbitrary = await send({ query: LIST }, user.token, strict.url);
    expect(arbitrary.body.errors).toHaveLength(1);
    expect(arbitrary.body.data).toBeUndefined();
    const named = {
      variables: { limit: 2 },
      extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(OPERATIONS.projectsWithMembers) } },
    };
    expect((await send(named, user.token, strict.url)).body.data.projects.data).toHaveLength(2);
    await strict.stop();
  });
});

it('an operation that is too deep is refused', () => {
  const schema = buildSchema('type Query { node: Node } type Node { node: Node id: ID }');
  const faults = (depth: number) => {
    const operation = `${'{ node '.repeat(depth - 1)}{ id }${' }'.repeat(depth - 1)}`;
    return validate(schema, parse(operation), [limitsRule]).map(({ message }) => message);
  };
  expect(faults(6)).toEqual([]);
  expect(faults(7)).toEqual(['The operation has a depth of 7; at most 6 is allowed.']);
});
