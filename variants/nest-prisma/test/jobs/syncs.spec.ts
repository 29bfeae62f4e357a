import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SyncsRedelivery } from '../../src/syncs/syncs.redelivery.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle } from '../support/fake-google.js';
import { connectGoogle } from '../support/google.js';
import { type Client, newMember, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';
import { DEAD_LETTERS, follow, startAgency, stopAgency, syncQueue } from './support.js';

const SYNCS = '/api/v1/syncs';

let stored: TestDatabase;
let google: FakeGoogle;
let settings: Record<string, string>;
let service: TestService;
let owner: Client;
let connectionId: string;

beforeEach(async () => {
  stored = await createDatabase();
  ({ google, settings, service, owner, connectionId } = await startAgency(stored));
  google.tagManager.add('accounts/1', 'containers', { name: 'Bakery' });
});

afterEach(async () => {
  await stopAgency(service, google);
  await stored.drop();
});

const resources = async (client = owner) => (await client.get('/api/v1/google-resources')).body.data;

async function sync(client = owner) {
  const { status, body } = await client.post(SYNCS, { connectionId });
  if (status !== 202) throw new Error(`POST ${SYNCS} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

const ends = (id: string, status: string) =>
  eventually(async () => {
    const { body } = await owner.get(`${SYNCS}/${id}`);
    expect(body).toMatchObject({ status });
    return body;
  });

it('what a connection reached is gone with it', async () => {
  await ends((await sync()).id, 'SUCCEEDED');
  expect(await resources()).toHaveLength(2);
  expect((await owner.remove(`/api/v1/connections/${connectionId}`)).status).toBe(204);
  expect(await resources()).toEqual([]);
  const again = await connectGoogle(google, owner);
  expect(await resources()).toEqual([]);
  expect(again).not.toBe(connectionId);
});

describe('a sync', () => {
  it('finds what the connection reaches, and then only what has changed', async () => {
    const first = await ends((await sync()).id, 'SUCCEEDED');
    expect(first).toMatchObject({ connectionId, itemsSynced: 2, createdBy: owner.userId });
    expect(await resources()).toMatchObject([
      { kind: 'ADS_CUSTOMER', path: 'customers/1234567890', publicId: '1234567890' },
      {
        kind: 'TAG_MANAGER_CONTAINER',
        path: 'accounts/1/containers/2',
        name: 'Bakery',
        publicId: 'GTM-000002',
      },
    ]);
    expect((await ends((await sync()).id, 'SUCCEEDED')).itemsSynced).toBe(0);
    google.tagManager.add('accounts/1', 'containers', { name: 'Cycles' });
    google.ads.customers.length = 0;
    expect((await ends((await sync()).id, 'SUCCEEDED')).itemsSynced).toBe(2);
    expect((await resources()).map(({ name }: { name: string }) => name)).toEqual(['Bakery', 'Cycles']);
    const { body } = await owner.get(`${SYNCS}?connectionId=${connectionId}&limit=2`);
    expect(body.data.length).toBe(2);
    expect(body.page.nextCursor).not.toBeNull();
  });

  it('that is asked for while one is under way is that one, and its events end with it', async () => {
    google.latencyMs = 200;
    const [one, other] = await Promise.all([sync(), sync()]);
    expect(other.id).toBe(one.id);
    const headers = { authorization: `Bearer ${owner.token}`, 'x-organization-id': owner.organizationId };
    const { events } = await follow(`${service.url}${SYNCS}/${one.id}/events`, headers);
    expect(events.map(({ data }) => data.status).at(-1)).toBe('SUCCEEDED');
    expect(events.length).toBeGreaterThan(1);
  });

  it('that broke off goes on where it was', async () => {
    google.tagManager.add('', 'accounts', { name: 'Second' });
    const accounts = google.tagManager.all('accounts').map(({ path }) => `/tagmanager/v2/${path}/containers`);
    // Longer than a call waits, so the job comes again.
    google.faults.set(accounts[1] ?? '', [{ status: 429, headers: { 'retry-after': '6' } }]);
    const { id } = await sync();
    await ends(id, 'SUCCEEDED');
    expect(accounts.map((path) => google.count(path))).toEqual([1, 2]);
  });

  it('that fails for good is a dead letter, and can be put back', async () => {
    const path = '/tagmanager/v2/accounts';
    google.faults.set(path, [
      { status: 403, body: { error: { code: 403, errors: [{ reason: 'forbidden' }] } } },
    ]);
    const failed = await ends((await sync()).id, 'FAILED');
    expect(failed).toMatchObject({ failure: 'GOOGLE_REQUEST_REFUSED', finishedAt: expect.any(String) });
    const [letter] = (await owner.get(DEAD_LETTERS)).body.data;
    expect(letter).toMatchObject({ job: 'syncConnection', subjectId: connectionId, attempts: 1 });
    expect((await owner.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined)).status).toBe(202);
    await eventually(async () => expect((await resources()).length).toBe(2));
  });

  it('leaves out Google Ads where the service may not call it', async () => {
    const without = await startService(stored, {
      ...settings,
      REDIS_PREFIX: `test-${randomUUID()}`,
      GOOGLE_ADS_DEVELOPER_TOKEN: '',
    });
    try {
      const headers = { authorization: `Bearer ${owner.token}`, 'x-organization-id': owner.organizationId };
      const { body } = await without.post(SYNCS, { connectionId }, headers);
      expect((await ends(body.id, 'SUCCEEDED')).itemsSynced).toBe(1);
      expect((await resources()).map(({ kind }: { kind: string }) => kind)).toEqual([
        'TAG_MANAGER_CONTAINER',
      ]);
    } finally {
      await without.stop();
    }
  });

  it('is for members, and for those of the organization', async () => {
    const viewer = await newMember(service, owner, 'VIEWER');
    expect((await viewer.post(SYNCS, { connectionId })).status).toBe(403);
    const { id } = await sync();
    await ends(id, 'SUCCEEDED');
    const stranger = await newOwner(service);
    expect((await stranger.post(SYNCS, { connectionId })).body.code).toBe('CONNECTION_NOT_FOUND');
    expect((await stranger.get(`${SYNCS}/${id}`)).status).toBe(404);
    expect((await stranger.get(`${SYNCS}/${id}/events`)).status).toBe(404);
    expect((await stranger.get(SYNCS)).body.data).toEqual([]);
    expect(await resources(stranger)).toEqual([]);
  });
});

describe('the schedule', () => {
  it('has each connection synced at once and from then on, until it is ended', async () => {
    const redelivery = service.app.get(SyncsRedelivery);
    await redelivery.redeliver();
    await eventually(async () => expect((await resources()).length).toBe(2));
    const [run] = (await owner.get(SYNCS)).body.data;
    expect(run.createdBy).toBeNull();
    const schedulers = () => syncQueue(service).getJobSchedulers();
    expect(await schedulers()).toMatchObject([{ key: connectionId, every: 3_600_000 }]);
    await redelivery.redeliver();
    expect((await schedulers()).length).toBe(1);
    await ends(run.id, 'SUCCEEDED');
    await owner.remove(`/api/v1/connections/${connectionId}`);
    await redelivery.redeliver();
    expect(await schedulers()).toEqual([]);
  });

  it('adds the job of a run again that was lost', async () => {
    const queue = syncQueue(service);
    await queue.pause();
    const { id } = await sync();
    await queue.obliterate({ force: true });
    await service.app.get(SyncsRedelivery).redeliver(0);
    await queue.resume();
    await ends(id, 'SUCCEEDED');
  });
});
