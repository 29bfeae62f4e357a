import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ChangeFeed } from '../../src/common/changes/change-feed.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle } from '../support/fake-google.js';
import { connectGoogle, startGoogle } from '../support/google.js';
import { anEmail, type Client, changeAccount, newMember, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

let stored: TestDatabase;
let google: FakeGoogle;
/** Where members are changed, and another process, which remembers what it has seen. */
let service: TestService;
let other: TestService;
let owner: Client;
let settings: Record<string, string>;

beforeAll(async () => {
  stored = await createDatabase();
  const started = await startGoogle();
  google = started.google;
  settings = { ...started.settings, AUTH_CACHE_SECONDS: '300', WORKER_IN_API: 'false' };
  [service, other] = [await startService(stored, settings), await startService(stored, settings)];
  owner = await newOwner(service);
});

afterAll(async () => {
  await service.stop();
  await other.stop();
  await google.stop();
  await stored.drop();
});

const headers = ({ token, organizationId }: Client) => ({
  authorization: `Bearer ${token}`,
  'x-organization-id': organizationId,
});

/** The status of a request by a member at the other process. */
const there = async (client: Client, method: string, path: string, body?: object): Promise<number> =>
  (await other.request(method, `/api/v1/${path}`, body, { ...headers(client), 'if-match': '"1"' })).status;

/** A member whom the other process remembers. */
async function remembered(role: 'OWNER' | 'ADMIN' | 'MEMBER'): Promise<Client> {
  const client = await newMember(service, owner, role);
  expect(await there(client, 'GET', 'customers')).toBe(200);
  return client;
}

const customer = () => ({ name: 'x', email: anEmail() });

describe('a role that another process has taken away', () => {
  it('of an owner gives back no role, invites nobody and ends nothing', async () => {
    const demoted = await remembered('OWNER');
    const connection = await connectGoogle(google, owner);
    await owner.patch(`/api/v1/members/${demoted.userId}`, { role: 'MEMBER' });
    const statuses = [
      await there(demoted, 'PATCH', `members/${demoted.userId}`, { role: 'OWNER' }),
      await there(demoted, 'PATCH', `members/${owner.userId}`, { role: 'VIEWER' }),
      await there(demoted, 'DELETE', `members/${owner.userId}`),
      await there(demoted, 'POST', 'members/invitations', { email: anEmail(), role: 'VIEWER' }),
      await there(demoted, 'DELETE', `members/invitations/${anEmail()}`),
      await there(demoted, 'PATCH', 'organizations/current', { name: 'Mine' }),
      await there(demoted, 'POST', 'connections/authorizations'),
      await there(demoted, 'DELETE', `connections/${connection}`),
      await there(demoted, 'GET', 'dead-letters'),
      await there(demoted, 'GET', 'audit-log'),
    ];
    expect(statuses).toEqual(statuses.map(() => 403));
    expect(await there(demoted, 'POST', 'customers', customer())).toBe(201);
  });

  it('of a member who is removed writes nothing', async () => {
    const removed = await remembered('MEMBER');
    const connection = await connectGoogle(google, owner);
    await owner.remove(`/api/v1/members/${removed.userId}`);
    const statuses = [
      await there(removed, 'POST', 'customers', customer()),
      await there(removed, 'POST', 'syncs', { connectionId: connection }),
      await there(removed, 'GET', `connections/${connection}/tag-manager/accounts`),
      await there(removed, 'DELETE', `members/${removed.userId}`),
    ];
    expect(statuses).toEqual([403, 403, 403, 403]);
  });

  it('is seen by a write that began before and waits for the change', async () => {
    const member = await remembered('MEMBER');
    const change = await stored.owner.connect();
    try {
      await change.query('BEGIN');
      await change.query(`SELECT set_config('app.organization_id', $1, true)`, [owner.organizationId]);
      await change.query(`UPDATE memberships SET role = 'VIEWER' WHERE user_id = $1`, [member.userId]);
      const { rows: own } = await change.query('SELECT pg_current_xact_id()::xid::text AS id');
      const writing = there(member, 'POST', 'customers', customer());
      await eventually(async () => {
        const { rows } = await stored.owner.query(
          'SELECT FROM pg_locks WHERE NOT granted AND transactionid = $1::xid',
          [own[0].id],
        );
        expect(rows).toHaveLength(1);
      });
      await change.query('COMMIT');
      expect(await writing).toBe(403);
    } finally {
      change.release(true);
    }
  });

  it('is given again at once, also by a process that remembers another one', async () => {
    const member = await remembered('MEMBER');
    await owner.patch(`/api/v1/members/${member.userId}`, { role: 'ADMIN' });
    expect(await there(member, 'GET', 'audit-log')).toBe(200);
  });

  it('voids an authorization at Google that is not finished, also where the role is given back', async () => {
    const admin = await newMember(service, owner, 'ADMIN');
    const begun = await admin.post('/api/v1/connections/authorizations', undefined);
    const answer = google.agree(begun.body.authorizationUrl, anEmail());
    await owner.patch(`/api/v1/members/${admin.userId}`, { role: 'VIEWER' });
    await owner.patch(`/api/v1/members/${admin.userId}`, { role: 'ADMIN' });
    const { body } = await admin.post('/api/v1/connections', answer);
    expect(body.code).toBe('AUTHORIZATION_FAILED');
  });
});

it.each<[string, (member: Client) => Promise<unknown>]>([
  ['the membership', (member) => owner.remove(`/api/v1/members/${member.userId}`)],
  [
    'a revoked token',
    ({ email }) => changeAccount(email, { validSince: Math.floor(Date.now() / 1_000) + 5 }),
  ],
  ['a disabled account', ({ email }) => changeAccount(email, { disableUser: true })],
])('a stream of events ends with %s', async (_what, end) => {
  const forgetful = await startService(stored, { ...settings, AUTH_CACHE_SECONDS: '0' });
  const member = await newMember(service, owner, 'MEMBER');
  const connectionId = await connectGoogle(google, owner);
  const { id } = (await owner.post('/api/v1/syncs', { connectionId })).body;
  const response = await fetch(`${forgetful.url}/api/v1/syncs/${id}/events`, { headers: headers(member) });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let seen = '';
  while (!seen.includes('event: state')) seen += (await reader?.read())?.value ?? '';
  // Allowed still: one who is a member with a good token gets the next state.
  const touch = async () => {
    await stored.rows(owner.organizationId, `UPDATE sync_runs SET updated_at = now() WHERE id = $1`, [id]);
    await service.app.get(ChangeFeed).publish(id);
  };
  await touch();
  seen = '';
  while (!seen.includes('event: state')) seen += (await reader?.read())?.value ?? '';
  await end(member);
  await touch();
  let rest = '';
  for (let chunk = await reader?.read(); chunk?.value !== undefined; chunk = await reader?.read())
    rest += chunk.value;
  expect(rest).not.toContain('state');
  await forgetful.stop();
});
