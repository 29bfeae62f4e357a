import { randomUUID } from 'node:crypto';
import type { Role } from '@app/shared';
import type { PoolClient } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { SecurityLog } from '../src/common/logging/security-log.js';
import { accept, addMember, sendInvitation } from './support/invitations.js';
import { tokenFor } from './support/mails.js';
import { startService, type TestService } from './support/service.js';
import {
  asClient,
  type Client,
  createProject,
  createTask,
  PASSWORD,
  registerTenant,
} from './support/tenants.js';

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

const authorization = ({ accessToken }: Client) => ({ authorization: `Bearer ${accessToken}` });
const setRole = (client: Client, userId: string, role: Role) =>
  service.patch(`/members/${userId}`, { role }, authorization(client));
const remove = (client: Client, path: string) =>
  service.request('DELETE', path, undefined, authorization(client));
const invite = (client: Client, role: Role) =>
  client.post('/invitations', { email: `${randomUUID()}@example.com`, role });
const roleOf = async (userId: string): Promise<string> =>
  (await owner.get('/members?limit=100')).body.data.find(
    (member: { userId: string }) => member.userId === userId,
  )?.role;
const invitationIds = async (client: Client): Promise<string[]> =>
  (await client.get('/invitations?limit=100')).body.data.map(({ id }: { id: string }) => id);

/** Runs statements as the owner of the tables, in a transaction for the tenant that is open until `work` has ended. */
async function inTransaction<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
  const client = await database.owner.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [owner.tenantId]);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** Waits until so many connections of the database wait for a lock. */
const waiting = (count: number) =>
  vi.waitFor(
    async () => {
      const { rows } = await database.owner.query(
        `SELECT count(DISTINCT pid)::int AS n FROM pg_locks JOIN pg_stat_activity USING (pid)
          WHERE datname = current_database() AND NOT granted`,
      );
      expect(rows[0].n).toBe(count);
    },
    { timeout: 3_000, interval: 10 },
  );

describe('a demoted owner, with its old token', () => {
  it('changes no role, invites nobody and deletes no project', async () => {
    const grace = await addMember(service, owner, 'owner');
    const projectId = await createProject(grace);
    expect((await setRole(owner, grace.userId, 'member')).status).toBe(200);
    const answers = [
      await setRole(grace, grace.userId, 'owner'),
      await setRole(grace, owner.userId, 'member'),
      await remove(grace, `/members/${owner.userId}`),
      await invite(grace, 'member'),
      await grace.get('/invitations'),
      await remove(grace, `/invitations/${randomUUID()}`),
      await grace.remove(`/projects/${projectId}`, 1),
      await grace.post(`/projects/${projectId}/restore`, undefined),
    ];
    expect(answers.map(({ status, body }) => [status, body?.code])).toEqual(
      answers.map(() => [403, 'FORBIDDEN']),
    );
    expect([await roleOf(grace.userId), await roleOf(owner.userId)]).toEqual(['member', 'owner']);
    expect((await grace.get('/auth/me')).body.role).toBe('member');
    expect((await grace.patch(`/projects/${projectId}`, { name: randomUUID() }, 1)).status).toBe(200);
  });

  it('invites no more than its new role', async () => {
    const grace = await addMember(service, owner, 'owner');
    await setRole(owner, grace.userId, 'admin');
    expect([(await invite(grace, 'owner')).status, (await invite(grace, 'admin')).status]).toEqual([
      403, 201,
    ]);
  });
});

it('lets a promoted member use the new role with the old token', async () => {
  const grace = await addMember(service, owner, 'member');
  expect((await invite(grace, 'member')).status).toBe(403);
  await setRole(owner, grace.userId, 'admin');
  expect((await invite(grace, 'member')).status).toBe(201);
});

it('refuses every write of a removed member, replays included', async () => {
  const grace = await addMember(service, owner, 'admin');
  const projectId = await createProject(grace);
  const taskId = await createTask(grace, projectId);
  const again = { ...authorization(grace), 'idempotency-key': randomUUID() };
  const project = { name: randomUUID() };
  expect((await service.post('/projects', project, again)).status).toBe(201);
  expect((await remove(owner, `/members/${grace.userId}`)).status).toBe(204);
  const answers = [
    await service.post('/projects', project, again),
    await grace.post('/projects', { name: randomUUID() }),
    await grace.patch(`/projects/${projectId}`, { name: randomUUID() }, 1),
    await grace.remove(`/projects/${projectId}`, 1),
    await grace.post('/tasks', { projectId, title: 'A task', type: 'bug' }),
    await grace.patch(`/tasks/${taskId}`, { title: 'x' }, 1),
    await grace.patch(`/tasks/${randomUUID()}`, { title: 'x' }, 1),
    await grace.remove(`/tasks/${taskId}`, 1),
    await invite(grace, 'member'),
    await setRole(grace, owner.userId, 'member'),
    await remove(grace, `/members/${owner.userId}`),
    await remove(grace, `/members/${grace.userId}`),
    await grace.get('/invitations'),
    await grace.get('/auth/me'),
  ];
  expect(answers.map(({ status, body }) => [status, body?.code])).toEqual(
    answers.map(() => [401, 'INVALID_TOKEN']),
  );
  expect((await owner.get(`/projects/${projectId}`)).body.version).toBe(1);
});

describe('concurrently', () => {
  it('a privileged write waits for the demotion of its user, and is refused', async () => {
    const grace = await addMember(service, owner, 'admin');
    const projectId = await createProject(owner);
    const { deletion } = await inTransaction(async (client) => {
      await client.query(`UPDATE memberships SET role = 'member' WHERE user_id = $1`, [grace.userId]);
      const started = grace.remove(`/projects/${projectId}`, 1);
      await waiting(1);
      return { deletion: started };
    });
    expect((await deletion).status).toBe(403);
    expect((await owner.get(`/projects/${projectId}`)).status).toBe(200);
  });

  it('a removal waits for the writes of the member that have begun', async () => {
    const grace = await addMember(service, owner, 'member');
    const projectId = await createProject(owner);
    const { write, removal } = await inTransaction(async (client) => {
      await client.query('SELECT FROM projects WHERE id = $1 FOR UPDATE', [projectId]);
      const change = grace.patch(`/projects/${projectId}`, { description: 'new' }, 1);
      await waiting(1);
      const leaving = remove(owner, `/members/${grace.userId}`);
      await waiting(2);
      return { write: change, removal: leaving };
    });
    expect([(await write).status, (await removal).status]).toEqual([200, 204]);
  });

  it('one of two owners who demote each other succeeds', async () => {
    const [first, second] = [
      await addMember(service, owner, 'owner'),
      await addMember(service, owner, 'owner'),
    ];
    const answers = await Promise.all([
      setRole(first, second.userId, 'member'),
      setRole(second, first.userId, 'member'),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403]);
  });
});

it('a refresh that waits for a logout is no reuse of its token', async () => {
  const { refreshToken, userId } = await registerTenant(service);
  const log = vi.spyOn(service.app.get(SecurityLog, { strict: false }), 'warn');
  const { refreshed } = await inTransaction(async (client) => {
    await client.query(`SELECT set_config('app.user_id', $1, true)`, [userId]);
    await client.query('SELECT FROM passwords WHERE user_id = $1 FOR UPDATE', [userId]);
    const started = service.post('/auth/refresh', { refreshToken });
    await waiting(1);
    expect((await service.post('/auth/logout', { refreshToken })).status).toBe(204);
    return { refreshed: started };
  });
  expect((await refreshed).status).toBe(401);
  expect(log).not.toHaveBeenCalled();
  log.mockRestore();
});

describe('an invitation', () => {
  it('is void if its inviter may no longer issue it', async () => {
    const grace = await addMember(service, owner, 'owner');
    const [asOwner, asAdmin] = [await sendInvitation(grace, 'owner'), await sendInvitation(grace, 'admin')];
    const others = await sendInvitation(owner, 'owner');
    await setRole(owner, grace.userId, 'admin');
    expect((await accept(service, asOwner)).body.code).toBe('INVITATION_NOT_FOUND');
    const left = await invitationIds(owner);
    expect(left).toEqual(expect.arrayContaining([asAdmin.id, others.id]));
    expect(left).not.toContain(asOwner.id);
    await setRole(owner, grace.userId, 'member');
    expect((await accept(service, asAdmin)).body.code).toBe('INVITATION_NOT_FOUND');
    expect((await accept(service, others)).status).toBe(200);
  });

  it('is void if its inviter was removed', async () => {
    const grace = await addMember(service, owner, 'admin');
    const invitation = await sendInvitation(grace, 'member');
    await remove(owner, `/members/${grace.userId}`);
    expect((await accept(service, invitation)).body.code).toBe('INVITATION_NOT_FOUND');
    expect(await invitationIds(owner)).not.toContain(invitation.id);
  });

  it('is void if its address belongs to a member who was removed', async () => {
    const grace = await addMember(service, owner, 'member');
    const second = await sendInvitation(owner, 'owner', grace.email);
    expect((await remove(owner, `/members/${grace.userId}`)).status).toBe(204);
    expect(await invitationIds(owner)).not.toContain(second.id);
    expect((await accept(service, second)).body.code).toBe('INVITATION_NOT_FOUND');
    expect(await roleOf(grace.userId)).toBeUndefined();
    expect((await accept(service, await sendInvitation(owner, 'member', grace.email))).status).toBe(200);
  });

  it('is void if its address belongs to a member with a lower new role', async () => {
    const grace = await addMember(service, owner, 'owner');
    const invitations = [
      await sendInvitation(owner, 'owner', grace.email),
      await sendInvitation(owner, 'admin', grace.email),
      await sendInvitation(owner, 'member', grace.email),
    ];
    const others = await sendInvitation(owner, 'owner');
    const left = async () => {
      const ids = await invitationIds(owner);
      return invitations.map(({ id }) => ids.includes(id));
    };
    await setRole(owner, grace.userId, 'admin');
    expect(await left()).toEqual([false, true, true]);
    await setRole(owner, grace.userId, 'member');
    expect(await left()).toEqual([false, false, true]);
    expect(await invitationIds(owner)).toContain(others.id);
  });

  it('is void if its address has accepted another one of the tenant', async () => {
    const { email, ...first } = await sendInvitation(owner, 'member');
    const second = await sendInvitation(owner, 'admin', email);
    const ada = await registerTenant(service);
    const elsewhere = await sendInvitation(ada, 'member', email);
    expect((await accept(service, { email, ...first })).status).toBe(200);
    expect(await invitationIds(owner)).not.toContain(second.id);
    expect((await accept(service, second)).body.code).toBe('INVITATION_NOT_FOUND');
    expect((await accept(service, elsewhere)).status).toBe(200);
  });

  it.each([
    ['the inviter was demoted past the service', `UPDATE memberships SET role = 'member' WHERE user_id = $1`],
    ['its inviter is unknown', 'UPDATE invitations SET invited_by = NULL WHERE invited_by = $1'],
  ])('is refused if %s', async (_why, sql) => {
    const grace = await addMember(service, owner, 'admin');
    const invitation = await sendInvitation(grace, 'member');
    await inTransaction((client) => client.query(sql, [grace.userId]));
    expect((await accept(service, invitation)).body.code).toBe('INVITATION_NOT_FOUND');
  });

  it('is listed without its token, page by page, while it is pending', async () => {
    const ada = await registerTenant(service);
    const sent = [await sendInvitation(ada, 'member'), await sendInvitation(ada, 'owner')];
    const { body: first } = await ada.get('/invitations?limit=1');
    expect(Object.keys(first.data[0]).sort()).toEqual([
      'createdAt',
      'email',
      'expiresAt',
      'id',
      'invitedBy',
      'role',
    ]);
    expect(first.data[0]).toMatchObject({ id: sent[0]?.id, email: sent[0]?.email, invitedBy: ada.userId });
    const { body: second } = await ada.get(`/invitations?limit=1&cursor=${first.page.nextCursor}`);
    expect([second.data[0].id, second.page.nextCursor]).toEqual([sent[1]?.id, null]);
    await accept(service, sent[0] as (typeof sent)[0]);
    expect(await invitationIds(ada)).toEqual([sent[1]?.id]);
    expect(await invitationIds(owner)).not.toContain(sent[1]?.id);
  });

  it('is withdrawn by those who may issue it', async () => {
    const admin = await addMember(service, owner, 'admin');
    const [forOwner, forMember] = [
      await sendInvitation(owner, 'owner'),
      await sendInvitation(owner, 'member'),
    ];
    expect((await remove(admin, `/invitations/${forOwner.id}`)).status).toBe(403);
    expect((await remove(admin, `/invitations/${forMember.id}`)).status).toBe(204);
    expect((await accept(service, forMember)).status).toBe(404);
    expect((await accept(service, forOwner)).status).toBe(200);
    for (const id of [forOwner.id, forMember.id, randomUUID()])
      expect((await remove(owner, `/invitations/${id}`)).body.code).toBe('INVITATION_NOT_FOUND');
  });
});

describe('an access token of a session that has ended', () => {
  const logIn = async (email: string, password = PASSWORD): Promise<Client> => {
    const { body } = await service.post('/auth/login', { email, password });
    return asClient(service, email, body);
  };
  const change = (client: Client, newPassword: string) =>
    client.post('/auth/change-password', { currentPassword: PASSWORD, newPassword });

  /** Expects that the token writes nothing, and reads what does not need a role. */
  async function expectEnded(client: Client, projectId: string): Promise<void> {
    const answers = [
      await client.post('/projects', { name: randomUUID() }),
      await client.patch(`/projects/${projectId}`, { name: randomUUID() }, 1),
      await client.remove(`/projects/${projectId}`, 1),
      await client.post('/tasks', { projectId, title: 'A task', type: 'bug' }),
      await invite(client, 'member'),
      await setRole(client, client.userId, 'admin'),
      await client.get('/invitations'),
      await change(client, 'another horse battery'),
    ];
    expect(answers.map(({ status, body }) => [status, body?.code])).toEqual(
      answers.map(() => [401, 'INVALID_TOKEN']),
    );
    expect((await client.get(`/projects/${projectId}`)).status).toBe(200);
  }

  it('writes nothing after a logout, and other sessions go on', async () => {
    const ada = await registerTenant(service);
    const projectId = await createProject(ada);
    const [phone, laptop] = [await logIn(ada.email), await logIn(ada.email)];
    const { body: refreshed } = await service.post('/auth/refresh', { refreshToken: phone.refreshToken });
    await service.post('/auth/logout', { refreshToken: refreshed.refreshToken });
    await expectEnded(phone, projectId);
    await expectEnded(asClient(service, ada.email, refreshed), projectId);
    await createProject(laptop);
    await createProject(ada);
  });

  it('writes nothing after a password change, in any tenant', async () => {
    const ada = await registerTenant(service);
    const projectId = await createProject(ada);
    const invitation = await sendInvitation(owner, 'member', ada.email);
    const { body: session } = await accept(service, invitation);
    const elsewhere = asClient(service, ada.email, session);
    await createProject(elsewhere);
    const { body: changed } = await change(ada, 'another horse battery');
    await expectEnded(ada, projectId);
    expect((await elsewhere.post('/projects', { name: randomUUID() })).status).toBe(401);
    await createProject(asClient(service, ada.email, changed));
  });

  it('writes nothing after a password reset', async () => {
    const ada = await registerTenant(service);
    const projectId = await createProject(ada);
    await service.post('/auth/request-password-reset', { email: ada.email });
    const token = await tokenFor(ada.email, 'Reset your password');
    const newPassword = 'another horse battery';
    expect((await service.post('/auth/reset-password', { token, newPassword })).status).toBe(204);
    await expectEnded(ada, projectId);
    await createProject(await logIn(ada.email, newPassword));
  });

  it('writes nothing after its refresh token was used twice', async () => {
    const strict = await startService(database, { REFRESH_TOKEN_GRACE_SECONDS: '0' });
    const ada = await registerTenant(strict);
    const refresh = () => strict.post('/auth/refresh', { refreshToken: ada.refreshToken });
    expect([(await refresh()).status, (await refresh()).status]).toEqual([200, 401]);
    expect((await ada.post('/projects', { name: randomUUID() })).status).toBe(401);
    await strict.stop();
  });
});

describe('own tenants', () => {
  /** A user of two tenants, the second of which it owns. */
  async function withTwoTenants(): Promise<{ member: Client; tenantIds: string[] }> {
    const member = await addMember(service, owner, 'member');
    const other = await registerTenant(service);
    await inTransaction(async (client) => {
      await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [other.tenantId]);
      await client.query(`INSERT INTO memberships (tenant_id, user_id, role) VALUES ($1, $2, 'owner')`, [
        other.tenantId,
        member.userId,
      ]);
    });
    return { member, tenantIds: [owner.tenantId, other.tenantId] };
  }
  const switchTo = (refreshToken: string, tenantId: string) =>
    service.post('/auth/switch-tenant', { refreshToken, tenantId });
  const refresh = (refreshToken: string) => service.post('/auth/refresh', { refreshToken });

  it('are listed with their names and current roles, page by page', async () => {
    const { member, tenantIds } = await withTwoTenants();
    await setRole(owner, member.userId, 'admin');
    const { status, body } = await member.get('/auth/tenants');
    expect(status).toBe(200);
    expect(body.data).toEqual([
      { id: tenantIds[0], name: 'Acme', role: 'admin' },
      { id: tenantIds[1], name: 'Acme', role: 'owner' },
    ]);
    const { body: first } = await member.get('/auth/tenants?limit=1');
    const { body: second } = await member.get(`/auth/tenants?limit=1&cursor=${first.page.nextCursor}`);
    expect([...first.data, ...second.data]).toEqual(body.data);
    expect((await owner.get('/auth/tenants')).body.data).toHaveLength(1);
  });

  it('are switched to by a refresh token, which is then used', async () => {
    const { member, tenantIds } = await withTwoTenants();
    const [, tenantId = ''] = tenantIds;
    const { status, body } = await switchTo(member.refreshToken, tenantId);
    expect([status, body.tenantId, body.role]).toEqual([200, tenantId, 'owner']);
    const me = await service.get('/auth/me', { authorization: `Bearer ${body.accessToken}` });
    expect(me.body).toMatchObject({ id: member.userId, tenantId, role: 'owner' });
    const { body: back } = await switchTo(body.refreshToken, owner.tenantId);
    expect([back.tenantId, back.role]).toEqual([owner.tenantId, 'member']);
  });

  it('of others are not found, and the token can still be used', async () => {
    const grace = await addMember(service, owner, 'member');
    const other = await registerTenant(service);
    for (const tenantId of [other.tenantId, randomUUID()]) {
      const { status, body } = await switchTo(grace.refreshToken, tenantId);
      expect([status, body.code]).toEqual([404, 'TENANT_NOT_FOUND']);
    }
    expect((await refresh(grace.refreshToken)).status).toBe(200);
    expect((await switchTo('nonsense', owner.tenantId)).status).toBe(401);
  });

  it('share the end of a log-in', async () => {
    const { member, tenantIds } = await withTwoTenants();
    const { body: switched } = await switchTo(member.refreshToken, tenantIds[1] ?? '');
    await service.post('/auth/logout', { refreshToken: switched.refreshToken });
    expect((await refresh(switched.refreshToken)).status).toBe(401);
    const { body: login } = await service.post('/auth/login', {
      email: member.email,
      password: PASSWORD,
      tenantId: owner.tenantId,
    });
    expect(login.tenantId).toBe(owner.tenantId);
  });
});
