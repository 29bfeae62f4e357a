import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { addMember, call, newProject, newUser, type TestUser } from '../support/api';

let ada: TestUser;
let grace: TestUser;

beforeAll(async () => {
  [ada, grace] = await Promise.all([newUser(), newUser()]);
});

const path = (id: string) => `/api/v1/projects/${id}`;

describe('projects', () => {
  it('creates, reads, replaces, changes and deletes', async () => {
    const { token } = ada;
    const created = await call('POST', '/api/v1/projects', {
      token,
      body: { name: 'Analytical engine', settings: { isPublic: false, features: ['cards'] } },
    });
    expect(created.status).toBe(201);
    const { id } = created.body.data;
    expect(created.headers.get('location')).toBe(path(id));
    expect(created.headers.get('etag')).toBe('"1"');
    expect(created.body.data).toMatchObject({
      ownerId: ada.id,
      name: 'Analytical engine',
      description: null,
      settings: { isPublic: false, features: ['cards'] },
      version: 1,
    });

    const replaced = await call('PUT', path(id), {
      token,
      body: { name: 'Difference engine', description: 'Tables' },
      headers: { 'if-match': '"1"' },
    });
    expect(replaced.status).toBe(200);
    expect(replaced.body.data).toMatchObject({
      name: 'Difference engine',
      description: 'Tables',
      settings: { isPublic: false, features: [] },
      version: 2,
    });

    const changed = await call('PATCH', path(id), {
      token,
      body: { description: null },
      headers: { 'if-match': '"2"' },
    });
    expect(changed.body.data).toMatchObject({ name: 'Difference engine', description: null, version: 3 });
    expect((await call('GET', path(id), { token })).body.data).toEqual(changed.body.data);

    expect((await call('DELETE', path(id), { token, headers: { 'if-match': '"3"' } })).status).toBe(204);
    expect((await call('GET', path(id), { token })).status).toBe(404);
  });

  it('answers 304 to whoever has the current version', async () => {
    const { id } = await newProject(ada);
    const answer = await call('GET', path(id), { token: ada.token, headers: { 'if-none-match': '"1"' } });
    expect(answer).toMatchObject({ status: 304, body: undefined });
    const older = await call('GET', path(id), { token: ada.token, headers: { 'if-none-match': '"0"' } });
    expect(older.status).toBe(200);
  });

  it('refuses a change of another version, and one without If-Match', async () => {
    const { id } = await newProject(ada);
    const change = (headers: Record<string, string>) =>
      call('PATCH', path(id), { token: ada.token, body: { name: 'x' }, headers });
    expect(await change({ 'if-match': '"7"' })).toMatchObject({
      status: 412,
      body: { code: 'VERSION_CONFLICT' },
    });
    expect(await change({})).toMatchObject({ status: 428, body: { code: 'PRECONDITION_REQUIRED' } });
    expect(await change({ 'if-match': '1' })).toMatchObject({ status: 400 });
    expect(await change({ 'if-match': '*' })).toMatchObject({ status: 200 });
  });

  it('lets one of many concurrent changes win', async () => {
    const { id } = await newProject(ada);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        call('PATCH', path(id), {
          token: ada.token,
          body: { name: `n${index}` },
          headers: { 'if-match': '"1"' },
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19);
  });

  it('lists newest first, page by page, and stays stable under inserts', async () => {
    const user = await newUser();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await newProject(user, { name });
    const first = await call('GET', '/api/v1/projects?limit=2', { token: user.token });
    await newProject(user, { name: 'later' });
    const names = first.body.data.map(({ name }: { name: string }) => name);
    let cursor = first.body.page.nextCursor;
    while (cursor !== null) {
      const { body } = await call('GET', `/api/v1/projects?limit=2&cursor=${cursor}`, { token: user.token });
      names.push(...body.data.map(({ name }: { name: string }) => name));
      cursor = body.page.nextCursor;
    }
    expect(names).toEqual(['e', 'd', 'c', 'b', 'a']);
  });

  it("answers for another's project exactly as for one that does not exist", async () => {
    const { id } = await newProject(ada);
    const headers = { 'if-match': '"1"' };
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', { name: 'x' }],
      ['PATCH', { name: 'x' }],
      ['DELETE', undefined],
    ] as const) {
      const theirs = await call(method, path(id), { token: grace.token, body, headers });
      const unknown = await call(method, path(randomUUID()), { token: grace.token, body, headers });
      expect(theirs.status).toBe(404);
      const { requestId: _, instance: __, ...rest } = theirs.body;
      expect(unknown.body).toMatchObject(rest);
    }
  });

  it('lets members do what their role allows', async () => {
    const project = await newProject(ada);
    const [editor, viewer] = await Promise.all([newUser(), newUser()]);
    await addMember(ada, project.id, editor.id, 'editor');
    await addMember(ada, project.id, viewer.id, 'viewer');
    const change = (user: TestUser, version: number) =>
      call('PATCH', path(project.id), {
        token: user.token,
        body: { name: 'changed' },
        headers: { 'if-match': `"${version}"` },
      });
    expect((await change(editor, 1)).status).toBe(200);
    expect(await change(viewer, 2)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    const remove = await call('DELETE', path(project.id), {
      token: editor.token,
      headers: { 'if-match': '"2"' },
    });
    expect(remove.status).toBe(403);
  });

  it('shows a public project to others, and does not list it among theirs', async () => {
    const project = await newProject(ada, { settings: { isPublic: true, features: [] } });
    expect((await call('GET', path(project.id), { token: grace.token })).status).toBe(200);
    const { body } = await call('GET', '/api/v1/projects?limit=100', { token: grace.token });
    expect(body.data).not.toContainEqual(expect.objectContaining({ id: project.id }));
  });
});

describe('Idempotency-Key', () => {
  const create = (key: string, body: object, token = ada.token) =>
    call('POST', '/api/v1/projects', { token, body, headers: { 'idempotency-key': key } });

  it('creates once, however often it is sent at the same time', async () => {
    const user = await newUser();
    const key = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => create(key, { name: 'once' }, user.token)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.data.id)).size).toBe(1);
    const replayed = answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true');
    expect(replayed).toHaveLength(49);
    expect(replayed[0]?.headers.get('etag')).toBe('"1"');
    const { body } = await call('GET', '/api/v1/projects', { token: user.token });
    expect(body.data).toHaveLength(1);
  });

  it('refuses the same key with another request', async () => {
    const key = randomUUID();
    await create(key, { name: 'one' });
    expect(await create(key, { name: 'two' })).toMatchObject({
      status: 422,
      body: { code: 'IDEMPOTENCY_KEY_REUSED' },
    });
  });

  it("does not replay another user's answer", async () => {
    const key = randomUUID();
    const mine = await create(key, { name: 'mine' });
    const theirs = await create(key, { name: 'mine' }, grace.token);
    expect(theirs.body.data).toMatchObject({ ownerId: grace.id });
    expect(theirs.body.data.id).not.toBe(mine.body.data.id);
  });
});
