import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { accept, anEmail, asClient, type Client, newMember, newOwner, signIn } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

let stored: TestDatabase;
let service: TestService;
let owner: Client;

beforeAll(async () => {
  stored = await createDatabase();
  service = await startService(stored, { AUTH_CACHE_SECONDS: '0' });
  owner = await newOwner(service);
});

afterAll(async () => {
  await service.stop();
  await stored.drop();
});

const PATH = '/api/v1/members';

it('an organization is renamed at the version that was read, by who may', async () => {
  const { body, headers } = await owner.get('/api/v1/organizations/current');
  expect(body).toMatchObject({ name: 'Acme', createdBy: owner.userId });
  expect(headers.get('etag')).toBe('"1"');
  const renamed = await owner.patch('/api/v1/organizations/current', { name: 'Acme & Co' }, 1);
  expect(renamed.body).toMatchObject({ name: 'Acme & Co', version: 2 });
  expect((await owner.patch('/api/v1/organizations/current', { name: 'late' }, 1)).status).toBe(412);
  const member = await newMember(service, owner, 'MEMBER');
  expect((await member.patch('/api/v1/organizations/current', { name: 'x' }, 2)).status).toBe(403);
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('an invitation', () => {
  it('makes a member of the person who accepts it, in any case of the address', async () => {
    const email = anEmail();
    await owner.post(`${PATH}/invitations`, { email: email.toUpperCase(), role: 'VIEWER' });
    expect((await owner.get(PATH)).body.invitations).toMatchObject([{ email, role: 'VIEWER' }]);
    const token = await signIn(email);
    const own = await service.get('/api/v1/me/invitations', bearer(token));
    const { organizationId } = owner;
    expect(own.body.data).toEqual([
      { organizationId, organizationName: expect.any(String), role: 'VIEWER', createdAt: expect.any(String) },
    ]);
    expect((await service.get('/api/v1/customers', bearer(token))).body.code).toBe('NO_ORGANIZATION');
    expect((await accept(service, token, organizationId)).status).toBe(204);
    expect((await accept(service, token, organizationId)).status).toBe(404);
    const member = await asClient(service, email, organizationId);
    expect((await member.get('/api/v1/customers')).status).toBe(200);
    const { body } = await owner.get(PATH);
    expect(body.invitations).toEqual([]);
    expect(body.members).toContainEqual(
      expect.objectContaining({ userId: member.userId, email, role: 'VIEWER' }),
    );
  });

  it('changes nothing for a member of another organization until it is accepted', async () => {
    const victim = await newOwner(service);
    expect((await owner.post(`${PATH}/invitations`, { email: victim.email, role: 'OWNER' })).status).toBe(
      201,
    );
    const again = await signIn(victim.email);
    expect((await service.get('/api/v1/customers', bearer(again))).status).toBe(200);
    const me = await service.get('/api/v1/me', bearer(again));
    expect(me.body.memberships).toMatchObject([{ organizationId: victim.organizationId }]);
    const declined = await service.request(
      'DELETE',
      `/api/v1/me/invitations/${owner.organizationId}`,
      undefined,
      bearer(again),
    );
    expect(declined.status).toBe(204);
    expect((await accept(service, again, owner.organizationId)).body.code).toBe('INVITATION_NOT_FOUND');
  });

  it('is neither seen nor accepted by an address that is not verified, or another one', async () => {
    const email = anEmail();
    await owner.post(`${PATH}/invitations`, { email, role: 'ADMIN' });
    for (const token of [await signIn(email, false), await signIn(anEmail())]) {
      expect((await service.get('/api/v1/me/invitations', bearer(token))).body.data).toEqual([]);
      expect((await accept(service, token, owner.organizationId)).status).toBe(404);
      const path = `/api/v1/me/invitations/${owner.organizationId}`;
      expect((await service.request('DELETE', path, undefined, bearer(token))).status).toBe(404);
      expect((await service.get('/api/v1/customers', bearer(token))).body.code).toBe('NO_ORGANIZATION');
    }
    expect((await owner.remove(`${PATH}/invitations/${email}`)).status).toBe(204);
    expect((await owner.remove(`${PATH}/invitations/${email}`)).status).toBe(404);
  });

  it('above the role of an admin is neither replaced nor withdrawn by them', async () => {
    const admin = await newMember(service, owner, 'ADMIN');
    const email = anEmail();
    await owner.post(`${PATH}/invitations`, { email, role: 'OWNER' });
    expect((await admin.post(`${PATH}/invitations`, { email, role: 'VIEWER' })).status).toBe(403);
    const other = { email: email.toUpperCase(), role: 'ADMIN' };
    expect((await admin.post(`${PATH}/invitations`, other)).status).toBe(403);
    expect((await admin.remove(`${PATH}/invitations/${email}`)).status).toBe(403);
    expect((await owner.get(PATH)).body.invitations).toContainEqual(
      expect.objectContaining({ email, role: 'OWNER' }),
    );
    expect((await owner.remove(`${PATH}/invitations/${email}`)).status).toBe(204);
  });

  it.each(['MEMBER', 'ADMIN', null] as const)('is void when its owner becomes %s', async (role) => {
    const second = await newMember(service, owner, 'OWNER');
    const [asOwner, asViewer] = [anEmail(), anEmail()];
    await second.post(`${PATH}/invitations`, { email: asOwner, role: 'OWNER' });
    await second.post(`${PATH}/invitations`, { email: asViewer, role: 'VIEWER' });
    const changed =
      role === null
        ? await owner.remove(`${PATH}/${second.userId}`)
        : await owner.patch(`${PATH}/${second.userId}`, { role });
    expect(changed.status).toBe(204);
    const statuses = [asOwner, asViewer].map(
      async (email) => (await accept(service, await signIn(email), owner.organizationId)).status,
    );
    expect(await Promise.all(statuses)).toEqual([404, role === 'ADMIN' ? 204 : 404]);
  });

  it('that another member replaces is void when that member is removed', async () => {
    const [first, second] = [
      await newMember(service, owner, 'ADMIN'),
      await newMember(service, owner, 'ADMIN'),
    ];
    const email = anEmail();
    await first.post(`${PATH}/invitations`, { email, role: 'VIEWER' });
    await second.post(`${PATH}/invitations`, { email, role: 'ADMIN' });
    await owner.remove(`${PATH}/${second.userId}`);
    expect((await accept(service, await signIn(email), owner.organizationId)).status).toBe(404);
  });

  it('by somebody who lost the role in some other way is not accepted', async () => {
    const admin = await newMember(service, owner, 'ADMIN');
    const email = anEmail();
    await admin.post(`${PATH}/invitations`, { email, role: 'VIEWER' });
    await stored.rows(owner.organizationId, `UPDATE memberships SET role = 'MEMBER' WHERE user_id = $1`, [
      admin.userId,
    ]);
    expect((await accept(service, await signIn(email), owner.organizationId)).status).toBe(404);
  });
});

it('pending invitations are limited, and one that is replaced counts once', async () => {
  const one = await newOwner(service);
  await stored.rows(
    one.organizationId,
    `INSERT INTO invitations (organization_id, email, role, updated_at, created_by)
     SELECT $1, n || '@example.com', 'VIEWER', now(), $2 FROM generate_series(1, 199) n`,
    [one.organizationId, one.userId],
  );
  const invite = async (email: string) =>
    (await one.post(`${PATH}/invitations`, { email, role: 'VIEWER' })).body.code;
  expect(await invite('last@example.com')).toBeUndefined();
  expect(await invite('more@example.com')).toBe('TOO_MANY_INVITATIONS');
  expect(await invite('last@example.com')).toBeUndefined();
  expect((await one.get(PATH)).body.invitations).toHaveLength(200);
  expect((await one.remove(`${PATH}/invitations/1@example.com`)).status).toBe(204);
  expect(await invite('more@example.com')).toBeUndefined();
});

it('organizations of a person are limited', async () => {
  const one = await newOwner(service);
  for (let more = 1; more < 99; more += 1) {
    const id = randomUUID();
    await stored.rows(id, `INSERT INTO organizations (id, name, updated_at) VALUES ($1, 'x', now())`, [id]);
    await stored.rows(
      id,
      `INSERT INTO memberships (organization_id, user_id, role, updated_at) VALUES ($1, $2, 'OWNER', now())`,
      [id, one.userId],
    );
  }
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => one.post('/api/v1/organizations', { name: 'One more' })),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ body }) => body.code === 'TOO_MANY_ORGANIZATIONS')).toHaveLength(4);
});

it('members of an organization are limited', async () => {
  const one = await newOwner(service);
  await stored.owner.query('ALTER TABLE users NO FORCE ROW LEVEL SECURITY');
  await stored.owner.query(
    `INSERT INTO users (id, firebase_uid, email, updated_at)
     SELECT gen_random_uuid(), 'many-' || n, n || '@many.example.com', now() FROM generate_series(1, 498) n`,
  );
  await stored.rows(
    one.organizationId,
    `INSERT INTO memberships (organization_id, user_id, role, updated_at)
     SELECT $1, id, 'VIEWER', now() FROM users WHERE firebase_uid LIKE 'many-%'`,
    [one.organizationId],
  );
  await newMember(service, one, 'VIEWER');
  const email = anEmail();
  await one.post(`${PATH}/invitations`, { email, role: 'VIEWER' });
  const refused = await accept(service, await signIn(email), one.organizationId);
  expect([refused.status, refused.body.code]).toEqual([409, 'TOO_MANY_MEMBERS']);
  const [{ userId }] = (await one.get(PATH)).body.members.slice(-1);
  expect((await one.remove(`${PATH}/${userId}`)).status).toBe(204);
  expect((await accept(service, await signIn(email), one.organizationId)).status).toBe(204);
});

it('an address that is not verified replaces none that other members see', async () => {
  const member = await newMember(service, owner, 'MEMBER');
  const seen = async () => {
    const { body } = await owner.get(PATH);
    return body.members.find(({ userId }: { userId: string }) => userId === member.userId).email;
  };
  /** What Firebase states after the account has another address. The local issuer signs no tokens. */
  const signInAs = async (changes: object) => {
    const [header, claims = ''] = member.token.split('.');
    const changed = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), ...changes };
    const token = `${header}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}.`;
    expect((await service.get('/api/v1/me', bearer(token))).body.userId).toBe(member.userId);
  };
  await signInAs({ email: 'ceo@example.com', email_verified: false });
  expect(await seen()).toBe(member.email);
  const email = anEmail();
  await signInAs({ email, email_verified: true });
  expect(await seen()).toBe(email);
  await signInAs({ email, email_verified: true, name: `\0${'x'.repeat(300)}\ud800` });
  expect(await seen()).toBe(email);
});

it('everybody but the last owner leaves, whatever their role', async () => {
  for (const role of ['VIEWER', 'MEMBER', 'ADMIN', 'OWNER'] as const) {
    const member = await newMember(service, owner, role);
    expect((await member.remove(`${PATH}/${member.userId}`)).status).toBe(204);
    expect((await member.get('/api/v1/customers')).body.code).toBe('NOT_A_MEMBER');
  }
  const last = await newOwner(service);
  expect((await last.remove(`${PATH}/${last.userId}`)).body.code).toBe('LAST_OWNER');
});

it('nobody gives, changes or takes a role above their own', async () => {
  const admin = await newMember(service, owner, 'ADMIN');
  const member = await newMember(service, owner, 'MEMBER');
  const statuses = [
    await admin.post(`${PATH}/invitations`, { email: anEmail(), role: 'OWNER' }),
    await admin.patch(`${PATH}/${member.userId}`, { role: 'OWNER' }),
    await admin.patch(`${PATH}/${owner.userId}`, { role: 'VIEWER' }),
    await admin.remove(`${PATH}/${owner.userId}`),
    await member.post(`${PATH}/invitations`, { email: anEmail(), role: 'VIEWER' }),
    await member.remove(`${PATH}/${admin.userId}`),
  ].map(({ status }) => status);
  expect(statuses).toEqual([403, 403, 403, 403, 403, 403]);
  expect((await admin.patch(`${PATH}/${member.userId}`, { role: 'VIEWER' })).status).toBe(204);
  expect((await member.post('/api/v1/customers', { name: 'x', email: anEmail() })).status).toBe(403);
  expect((await admin.remove(`${PATH}/${member.userId}`)).status).toBe(204);
  expect((await member.get('/api/v1/customers')).status).toBe(403);
  expect((await admin.remove(`${PATH}/${randomUUID()}`)).status).toBe(404);
});

it('an organization keeps an owner, also when its two owners leave at the same moment', async () => {
  const first = await newOwner(service);
  const alone = await first.remove(`${PATH}/${first.userId}`);
  expect({ status: alone.status, code: alone.body.code }).toEqual({ status: 409, code: 'LAST_OWNER' });
  for (let round = 0; round < 5; round += 1) {
    const one = await newOwner(service);
    const other = await newMember(service, one, 'OWNER');
    const answers = await Promise.all(
      [one, other].map((client) => client.patch(`${PATH}/${client.userId}`, { role: 'MEMBER' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
  }
});

it('members of other organizations are neither seen nor reached', async () => {
  const stranger = await newOwner(service);
  expect((await stranger.get(PATH)).body.members.map(({ userId }: { userId: string }) => userId)).toEqual([
    stranger.userId,
  ]);
  expect((await stranger.patch(`${PATH}/${owner.userId}`, { role: 'VIEWER' })).status).toBe(404);
  expect((await stranger.remove(`${PATH}/${owner.userId}`)).status).toBe(404);
  expect((await owner.get(PATH)).status).toBe(200);
});
