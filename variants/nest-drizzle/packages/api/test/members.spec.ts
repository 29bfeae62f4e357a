import { randomUUID } from 'node:crypto';
import type { Role } from '@app/shared';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { addMember, sendInvitation } from './support/invitations.js';
import { tokenFor } from './support/mails.js';
import { startService, type TestService } from './support/service.js';
import { type Client, createProject, createTask, PASSWORD, registerTenant } from './support/tenants.js';

let database: TestDatabase;
let service: TestService;
let owner: Client;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  owner = await registerTenant(service);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const memberIds = async (client: Client): Promise<string[]> =>
  (await client.get('/members?limit=100')).body.data.map(({ userId }: { userId: string }) => userId);
const setRole = (client: Client, userId: string, role: Role) =>
  service.patch(`/members/${userId}`, { role }, { authorization: `Bearer ${client.accessToken}` });
const remove = (client: Client, userId: string) =>
  service.request('DELETE', `/members/${userId}`, undefined, {
    authorization: `Bearer ${client.accessToken}`,
  });

it('takes in whoever accepts an invitation, with the role that it names', async () => {
  const grace = await addMember(service, owner, 'member');
  expect(await memberIds(grace)).toEqual(expect.arrayContaining([owner.userId, grace.userId]));
  const projectId = await createProject(owner);
  expect((await grace.get(`/projects/${projectId}`)).status).toBe(200);
  expect((await grace.get('/auth/me')).body).toMatchObject({
    role: 'member',
    tenantId: owner.tenantId,
    name: 'Grace',
  });
});

it('lets one account be a member of several tenants, and asks for its password', async () => {
  const other = await registerTenant(service);
  const wrong = {
    token: (await sendInvitation(owner, 'member', other.email)).token,
    name: 'x',
    password: 'not the password',
  };
  expect((await service.post('/auth/accept-invitation', wrong)).status).toBe(401);
  const accepted = await service.post('/auth/accept-invitation', { ...wrong, password: PASSWORD });
  expect([accepted.status, accepted.body.tenantId]).toEqual([200, owner.tenantId]);
  for (const tenantId of [owner.tenantId, other.tenantId]) {
    const { body } = await service.post('/auth/login', { email: other.email, password: PASSWORD, tenantId });
    expect(body.tenantId).toBe(tenantId);
  }
});

it('sends the token of an invitation by mail and in no response', async () => {
  const email = `${randomUUID()}@example.com`;
  const { body } = await owner.post('/invitations', { email });
  expect(Object.keys(body).sort()).toEqual(['email', 'expiresAt', 'id', 'role']);
  expect(await tokenFor(email, 'You are invited')).toMatch(/^[\w-]{43}$/);
});

it('takes each invitation once, and none that is unknown or has expired', async () => {
  const accept = (token: string) =>
    service.post('/auth/accept-invitation', { token, name: 'x', password: PASSWORD });
  const { token: used } = await sendInvitation(owner, 'member');
  const answers = await Promise.all(Array.from({ length: 5 }, () => accept(used)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  const email = `${randomUUID()}@example.com`;
  const { token: old } = await sendInvitation(owner, 'member', email);
  const client = await database.owner.connect();
  await client.query('BEGIN');
  await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [owner.tenantId]);
  await client.query('UPDATE invitations SET expires_at = now() WHERE email = $1', [email]);
  await client.query('COMMIT');
  client.release();
  for (const token of [used, old, 'nonsense']) {
    const { status, body } = await accept(token);
    expect([status, body.code]).toEqual([404, 'INVITATION_NOT_FOUND']);
  }
});

it('gives nobody more than the one who gives has', async () => {
  const [admin, member] = [
    await addMember(service, owner, 'admin'),
    await addMember(service, owner, 'member'),
  ];
  expect((await member.post('/invitations', { email: 'x@example.com' })).status).toBe(403);
  expect((await setRole(member, member.userId, 'admin')).status).toBe(403);
  expect((await admin.post('/invitations', { email: 'x@example.com', role: 'owner' })).status).toBe(403);
  expect((await setRole(admin, admin.userId, 'owner')).status).toBe(403);
  expect((await setRole(admin, owner.userId, 'member')).status).toBe(403);
  expect((await remove(admin, owner.userId)).status).toBe(403);
  expect((await remove(member, admin.userId)).status).toBe(403);
  expect((await setRole(admin, member.userId, 'admin')).body.role).toBe('admin');
});

it('keeps an owner, though two leave at the same moment', async () => {
  const first = await registerTenant(service);
  expect((await remove(first, first.userId)).body.code).toBe('LAST_OWNER');
  expect((await setRole(first, first.userId, 'member')).body.code).toBe('LAST_OWNER');
  const second = await addMember(service, first, 'owner');
  const answers = await Promise.all([remove(first, first.userId), remove(second, second.userId)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
});

it('ends the sessions of whoever is taken out, and takes their tasks from them', async () => {
  const grace = await addMember(service, owner, 'member');
  const taskId = await createTask(owner, await createProject(owner), { assigneeId: grace.userId });
  expect((await remove(owner, grace.userId)).status).toBe(204);
  expect((await service.post('/auth/refresh', { refreshToken: grace.refreshToken })).status).toBe(401);
  expect((await owner.get(`/tasks/${taskId}`)).body.assigneeId).toBeNull();
  expect(await memberIds(owner)).not.toContain(grace.userId);
});

it('tells a member of another tenant from nobody in no way', async () => {
  const other = await registerTenant(service);
  for (const userId of [other.userId, randomUUID()]) {
    expect((await setRole(owner, userId, 'member')).body.code).toBe('MEMBER_NOT_FOUND');
    expect((await remove(owner, userId)).body.code).toBe('MEMBER_NOT_FOUND');
  }
});
