import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SetupsRedelivery } from '../../src/tracking-setups/setups.redelivery.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle } from '../support/fake-google.js';
import { type Client, createCustomer, createTracking, newMember, newOwner } from '../support/people.js';
import type { TestService } from '../support/service.js';
import {
  askForSetup,
  DEAD_LETTERS,
  REFUSAL,
  reaches,
  SETUPS,
  setupQueue,
  startAgency,
  states,
  stopAgency,
} from './support.js';

let stored: TestDatabase;
let google: FakeGoogle;
let service: TestService;
let owner: Client;
let connectionId: string;

beforeAll(async () => {
  stored = await createDatabase();
});

beforeEach(async () => {
  ({ google, service, owner, connectionId } = await startAgency(stored));
});

afterEach(() => stopAgency(service, google));

afterAll(async () => {
  await stored.drop();
});

const actions = async (id: string) =>
  (await owner.get(`/api/v1/audit-log?entityId=${id}`)).body.data.map(
    ({ action }: { action: string }) => action,
  );

const letters = async (client = owner) => (await client.get(DEAD_LETTERS)).body.data;

describe('a set-up', () => {
  it('makes container, conversion action and tag, publishes them, and says how far it is', async () => {
    const asked = await askForSetup(owner, connectionId);
    expect(asked).toMatchObject({ status: 'PENDING', progress: 0, attempt: 1, createdBy: owner.userId });
    const setup = await reaches(owner, asked.id, 'SUCCEEDED');
    expect(setup).toMatchObject({
      progress: 100,
      failure: null,
      failedStep: null,
      finishedAt: expect.any(String),
    });
    expect(setup.steps.map(({ step }: { step: string }) => step)).toEqual([
      'CONTAINER',
      'CONVERSION_ACTION',
      'TAG',
      'PUBLISH',
    ]);
    const [container] = google.tagManager.all('containers');
    const [version] = google.tagManager.all('versions');
    expect(setup.steps[0].resources).toMatchObject({ containerPath: container?.path });
    expect([...google.tagManager.live]).toEqual([[container?.path, version?.path]]);
    expect([...google.ads.conversionActions.keys()]).toEqual([setup.steps[1].resources.conversionAction]);
    expect((await owner.get(`/api/v1/trackings/${asked.trackingId}`)).body.status).toBe('ACTIVE');
    expect(await actions(asked.id)).toEqual(['tracking-setup.succeeded', 'tracking-setup.started']);
  });

  it('of a second tracking uses the container that the customer has, whatever the customer is called now', async () => {
    const customer = await createCustomer(owner);
    for (const name of ['Before', 'After']) {
      const { body } = await owner.get(`/api/v1/customers/${customer.id}`);
      await owner.patch(`/api/v1/customers/${customer.id}`, { name }, body.version);
      const tracking = await createTracking(owner, customer.id);
      const { id } = await askForSetup(owner, connectionId, { trackingId: tracking.id });
      await reaches(owner, id, 'SUCCEEDED');
    }
    expect(google.tagManager.all('containers').length).toBe(1);
    expect(google.tagManager.all('versions').length).toBe(2);
  });

  it('is begun once, though it be asked for ten times with one key', async () => {
    const tracking = await createTracking(owner, (await createCustomer(owner)).id);
    const wish = {
      trackingId: tracking.id,
      connectionId,
      tagManagerAccountId: '1',
      adsCustomerId: '1234567890',
    };
    const key = { 'idempotency-key': randomUUID() };
    const answers = await Promise.all(Array.from({ length: 10 }, () => owner.post(SETUPS, wish, key)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    await reaches(owner, answers[0]?.body.id, 'SUCCEEDED');
    const again = await owner.post(SETUPS, wish);
    expect([again.status, again.body.code]).toEqual([409, 'TRACKING_ALREADY_SET_UP']);
  });

  it('is not begun while another of the tracking runs, or without tracking or connection', async () => {
    google.latencyMs = 200;
    const { id, trackingId } = await askForSetup(owner, connectionId);
    const wish = { trackingId, connectionId, tagManagerAccountId: '1', adsCustomerId: '1234567890' };
    const second = await owner.post(SETUPS, wish);
    expect([second.status, second.body.code]).toEqual([409, 'TRACKING_SETUP_RUNNING']);
    const noTracking = await owner.post(SETUPS, { ...wish, trackingId: randomUUID() });
    expect([noTracking.status, noTracking.body.code]).toEqual([404, 'TRACKING_NOT_FOUND']);
    const noConnection = await owner.post(SETUPS, { ...wish, connectionId: randomUUID() });
    expect([noConnection.status, noConnection.body.code]).toEqual([404, 'CONNECTION_NOT_FOUND']);
    const viewer = await newMember(service, owner, 'VIEWER');
    expect((await viewer.post(SETUPS, wish)).status).toBe(403);
    google.latencyMs = 0;
    await reaches(owner, id, 'SUCCEEDED');
  });

  it('goes on after Google was away for a while', async () => {
    google.faults.set(
      '/tagmanager/v2/accounts/1/containers',
      Array.from({ length: 5 }, () => ({ status: 503 })),
    );
    const { id } = await askForSetup(owner, connectionId);
    await reaches(owner, id, 'SUCCEEDED');
    expect(await letters()).toEqual([]);
  });

  it('waits as long as Google says when the quota is used up, and does not count that as an attempt', async () => {
    const path = '/tagmanager/v2/accounts/1/containers';
    // Longer than a call itself would wait.
    google.faults.set(path, [{ status: 429, headers: { 'retry-after': '7' } }]);
    const { id } = await askForSetup(owner, connectionId);
    const waiting = await eventually(async () => {
      const { body } = await owner.get(`${SETUPS}/${id}`);
      expect(body.retryAt).not.toBeNull();
      return body;
    });
    const wait = new Date(waiting.retryAt).getTime() - Date.now();
    expect(wait).toBeGreaterThan(4_000);
    expect(wait).toBeLessThan(8_000);
    const [refused] = google.requests.filter((request) => request.path === path);
    const setup = await reaches(owner, id, 'SUCCEEDED');
    expect(setup.retryAt).toBeNull();
    const next = google.requests.filter((request) => request.path === path)[1];
    expect((next?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThan(6_900);
    const job = await setupQueue(service).getJob(`${id}-1-container`);
    expect(job?.attemptsMade).toBe(1);
  });
});

describe('a step that fails for good', () => {
  const TAGS = 'POST /tagmanager/v2/accounts/1/containers/2/workspaces/3/tags';

  it('has everything that was made taken away, and is a dead letter', async () => {
    google.faults.set(TAGS, [REFUSAL]);
    const { id, trackingId } = await askForSetup(owner, connectionId);
    const setup = await reaches(owner, id, 'FAILED');
    expect(setup).toMatchObject({ failedStep: 'TAG', failure: 'GOOGLE_REQUEST_REFUSED' });
    expect(states(setup)).toEqual({
      CONTAINER: 'UNDONE',
      CONVERSION_ACTION: 'UNDONE',
      TAG: 'UNDONE',
      PUBLISH: 'PENDING',
    });
    expect(google.tagManager.all('workspaces')).toEqual([]);
    expect(google.ads.conversionActions.size).toBe(0);
    expect((await owner.get(`/api/v1/trackings/${trackingId}`)).body.status).toBe('FAILED');
    expect(await actions(id)).toEqual([
      'tracking-setup.ended',
      'tracking-setup.failed',
      'tracking-setup.started',
    ]);
    expect(await letters()).toMatchObject([
      {
        queue: 'tracking-setup',
        job: 'setUpStep',
        subjectId: id,
        failure: 'GOOGLE_REQUEST_REFUSED',
        attempts: 1,
      },
    ]);
    // Nothing waits for what will not come.
    await eventually(async () => expect(await setupQueue(service).getWaitingChildrenCount()).toBe(0));
  });

  it('whose answer was lost leaves nothing behind, either', async () => {
    const mutate = '/v26/customers/1234567890/conversionActions:mutate';
    google.faults.set(mutate, ['answer-lost']);
    google.faults.set('/v26/customers/1234567890/googleAds:search', [{ status: 200, body: {} }, REFUSAL]);
    const { id } = await askForSetup(owner, connectionId);
    const setup = await reaches(owner, id, 'FAILED');
    expect(setup.failedStep).toBe('CONVERSION_ACTION');
    expect(google.count(mutate)).toBeGreaterThan(0);
    await eventually(async () => expect(google.ads.conversionActions.size).toBe(0));
  });

  it('can be put back by an administrator, once, and goes on to the end', async () => {
    google.faults.set(TAGS, [REFUSAL]);
    const { id } = await askForSetup(owner, connectionId);
    await reaches(owner, id, 'FAILED');
    const [letter] = await letters();
    const member = await newMember(service, owner, 'MEMBER');
    expect((await member.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined)).status).toBe(403);
    const requeued = await owner.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined);
    expect([requeued.status, requeued.body.requeuedAt]).toEqual([202, expect.any(String)]);
    const setup = await reaches(owner, id, 'SUCCEEDED');
    expect(setup).toMatchObject({ attempt: 2, progress: 100, failure: null });
    expect(google.ads.conversionActions.size).toBe(1);
    expect(google.tagManager.live.size).toBe(1);
    expect(await setupQueue(service).getFailedCount()).toBe(0);
    const again = await owner.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined);
    expect([again.status, again.body.code]).toEqual([409, 'DEAD_LETTER_REQUEUED']);
    expect(await letters()).toEqual([]);
  });

  it('since the user has taken the access away is not tried again', async () => {
    google.latencyMs = 50;
    const { id } = await askForSetup(owner, connectionId);
    google.takeAccessAway();
    const setup = await reaches(owner, id, 'FAILED');
    expect(setup.failure).toBe('RECONNECT_REQUIRED');
    const refreshes = google.count('/token');
    expect((await letters()).map(({ attempts }: { attempts: number }) => attempts)).not.toContain(6);
    expect(google.count('/token')).toBe(refreshes);
  });
});

describe('a job', () => {
  it.each<[string, () => object]>([
    ['without an organization', () => ({ setupId: randomUUID(), attempt: 1, step: 'TAG' })],
    [
      'with an organization that is none',
      () => ({ organizationId: 'x', setupId: randomUUID(), attempt: 1, step: 'TAG' }),
    ],
    [
      'with more than its contract names',
      () => ({
        organizationId: owner.organizationId,
        setupId: randomUUID(),
        attempt: 1,
        step: 'TAG',
        role: 'OWNER',
      }),
    ],
  ])('%s is refused at once, and kept', async (_how, data) => {
    const queue = setupQueue(service);
    const job = await queue.add('setUpStep', data(), { attempts: 5 });
    await eventually(async () => expect(await job.getState()).toBe('failed'));
    expect((await queue.getJob(job.id ?? ''))?.attemptsMade).toBe(1);
  });

  it('of one organization touches nothing of another', async () => {
    const stranger = await newOwner(service);
    const queue = setupQueue(service);
    await queue.pause();
    const { id } = await askForSetup(owner, connectionId);
    await queue.obliterate({ force: true });
    await queue.resume();
    const data = { organizationId: stranger.organizationId, setupId: id, attempt: 1, step: 'PUBLISH' };
    const job = await queue.add('setUpStep', data);
    await eventually(async () => expect(await job.getState()).toBe('completed'));
    expect((await owner.get(`${SETUPS}/${id}`)).body).toMatchObject({ status: 'PENDING', version: 1 });
    expect(google.tagManager.all('containers')).toEqual([]);
  });

  it('that is lost is added again, and one that is there is not', async () => {
    const queue = setupQueue(service);
    await queue.pause();
    const { id } = await askForSetup(owner, connectionId);
    await queue.obliterate({ force: true });
    await queue.pause();
    for (let round = 0; round < 3; round += 1) await service.app.get(SetupsRedelivery).redeliver(0);
    // The database has set-ups of other tests, too.
    const jobs = (await queue.getJobs()).filter(({ data }) => data.setupId === id);
    expect(jobs.map(({ data }) => data.step).sort()).toEqual([
      'CONTAINER',
      'CONVERSION_ACTION',
      'PUBLISH',
      'TAG',
    ]);
    await queue.resume();
    await reaches(owner, id, 'SUCCEEDED');
    expect(google.tagManager.all('versions').length).toBe(1);
  });

  it('of an attempt that is over does nothing', async () => {
    google.faults.set('POST /tagmanager/v2/accounts/1/containers/2/workspaces', [REFUSAL]);
    const { id } = await askForSetup(owner, connectionId);
    await reaches(owner, id, 'FAILED');
    const data = { organizationId: owner.organizationId, setupId: id, attempt: 1, step: 'PUBLISH' };
    const job = await setupQueue(service).add('setUpStep', data);
    await eventually(async () => expect(await job.getState()).toBe('completed'));
    expect([...google.tagManager.all('workspaces'), ...google.tagManager.all('versions')]).toEqual([]);
  });
});

describe('another organization', () => {
  it('sees no set-up, no dead letter, and puts none back', async () => {
    google.faults.set('POST /tagmanager/v2/accounts/1/containers/2/workspaces', [REFUSAL]);
    const { id } = await askForSetup(owner, connectionId);
    await reaches(owner, id, 'FAILED');
    const [letter] = await letters();
    const stranger = await newOwner(service);
    expect(await letters(stranger)).toEqual([]);
    expect((await stranger.get(SETUPS)).body.data).toEqual([]);
    for (const [theirs, random] of [
      [await stranger.get(`${SETUPS}/${id}`), await stranger.get(`${SETUPS}/${randomUUID()}`)],
      [await stranger.get(`${SETUPS}/${id}/events`), await stranger.get(`${SETUPS}/${randomUUID()}/events`)],
      [
        await stranger.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined),
        await stranger.post(`${DEAD_LETTERS}/${randomUUID()}/requeue`, undefined),
      ],
    ]) {
      expect(theirs?.status).toBe(404);
      const anonymous = {
        ...random?.body,
        instance: theirs?.body.instance,
        requestId: theirs?.body.requestId,
      };
      expect(theirs?.body).toEqual(anonymous);
    }
    const foreign = await stranger.post(SETUPS, {
      trackingId: (await createTracking(stranger, (await createCustomer(stranger)).id)).id,
      connectionId,
      tagManagerAccountId: '1',
      adsCustomerId: '1234567890',
    });
    expect([foreign.status, foreign.body.code]).toEqual([404, 'CONNECTION_NOT_FOUND']);
  });
});
