import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { addMember, call, newProject, newUser, type TestUser } from '../support/api';

let owner: TestUser;
let member: TestUser;
let stranger: TestUser;
let base: string;

beforeEach(async () => {
  [owner, member, stranger] = await Promise.all([newUser(), newUser(), newUser()]);
  const project = await newProject(owner);
  await addMember(owner, project.id, member.id, 'viewer');
  base = `/api/v1/projects/${project.id}/members`;
});

describe('members', () => {
  it('are listed in the order in which they joined', async () => {
    const { body } = await call('GET', base, { token: member.token });
    expect(body.data.map(({ userId, role }: { userId: string; role: string }) => [userId, role])).toEqual([
      [owner.id, 'owner'],
      [member.id, 'viewer'],
    ]);
    const first = await call('GET', `${base}?limit=1`, { token: member.token });
    const second = await call('GET', `${base}?limit=1&cursor=${first.body.page.nextCursor}`, {
      token: member.token,
    });
    expect(second.body).toMatchObject({ data: [{ userId: member.id }], page: { nextCursor: null } });
  });

  it('are managed by administrators alone', async () => {
    const add = (user: TestUser) =>
      call('POST', base, { token: user.token, body: { userId: stranger.id, role: 'editor' } });
    expect((await add(member)).status).toBe(403);
    await call('PATCH', `${base}/${member.id}`, { token: owner.token, body: { role: 'admin' } });
    expect((await add(member)).status).toBe(201);
  });

  it('cannot raise themselves, nor make anybody an owner', async () => {
    const self = await call('PATCH', `${base}/${member.id}`, {
      token: member.token,
      body: { role: 'admin' },
    });
    expect(self.status).toBe(403);
    const second = await call('POST', base, {
      token: owner.token,
      body: { userId: stranger.id, role: 'owner' },
    });
    expect(second.status).toBe(400);
  });

  it('may leave, and the owner may not', async () => {
    expect((await call('DELETE', `${base}/${member.id}`, { token: member.token })).status).toBe(204);
    expect((await call('GET', base, { token: member.token })).status).toBe(404);
    expect((await call('DELETE', `${base}/${owner.id}`, { token: owner.token })).status).toBe(403);
  });

  it('are added once, and only users are', async () => {
    const add = (userId: string) => call('POST', base, { token: owner.token, body: { userId } });
    expect(await add(member.id)).toMatchObject({ status: 409, body: { code: 'MEMBER_EXISTS' } });
    expect(await add(randomUUID())).toMatchObject({ status: 404, body: { code: 'USER_NOT_FOUND' } });
  });

  it('are nobody’s business but the members’', async () => {
    for (const [method, path, body] of [
      ['GET', base, undefined],
      ['POST', base, { userId: stranger.id }],
      ['PATCH', `${base}/${member.id}`, { role: 'admin' }],
      ['DELETE', `${base}/${member.id}`, undefined],
    ] as const) {
      const answer = await call(method, path, { token: stranger.token, body });
      expect(answer).toMatchObject({ status: 404, body: { code: 'PROJECT_NOT_FOUND' } });
    }
  });
});
