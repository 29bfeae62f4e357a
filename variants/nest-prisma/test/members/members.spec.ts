import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { anEmail, asClient, type Client, newMember, newOwner, signIn } from '../support/people.js';
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

it('who is invited is a member when they sign in, in whatever case their address is written', async () => {
  const email = anEmail();
  await owner.post(`${PATH}/invitations`, { email: email.toUpperCase(), role: 'VIEWER' });
  expect((await owner.get(PATH)).body.invitations).toMatchObject([{ email, role: 'VIEWER' }]);
  const member = await asClient(service, email, owner.organizationId);
  expect((await member.get('/api/v1/customers')).status).toBe(200);
  const { body } = await owner.get(PATH);
  expect(body.invitations).toEqual([]);
  expect(body.members).toContainEqual(
    expect.objectContaining({ userId: member.userId, email, role: 'VIEWER' }),
  );
});

it('an address that is not verified accepts no invitation', async () => {
  const email = anEmail();
  await owner.post(`${PATH}/invitations`, { email, role: 'ADMIN' });
  const authorization = `Bearer ${await signIn(email, false)}`;
  expect((await service.get('/api/v1/customers', { authorization })).body.code).toBe('NO_ORGANIZATION');
  expect((await owner.remove(`${PATH}/invitations/${email}`)).status).toBe(204);
  expect((await owner.remove(`${PATH}/invitations/${email}`)).status).toBe(404);
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
