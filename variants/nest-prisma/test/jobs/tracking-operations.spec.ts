import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SetupsRedelivery } from '../../src/tracking-setups/setups.redelivery.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle, Fault } from '../support/fake-google.js';
import { connectGoogle } from '../support/google.js';
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

const CONTAINER = 'accounts/1/containers/2';
const MUTATE = '/v26/customers/1234567890/conversionActions:mutate';

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

const path = (id: string) => `/api/v1/trackings/${id}`;
const read = async (id: string) => (await owner.get(path(id))).body;
const letters = async () => (await owner.get(DEAD_LETTERS)).body.data;

const change = async (id: string, input: object) => owner.patch(path(id), input, (await read(id)).version);
const detach = async (id: string, client = owner) =>
  client.post(`${path(id)}/detach`, undefined, { 'if-match': `"${(await read(id)).version}"` });
const remove = async (id: string) => owner.remove(path(id), (await read(id)).version);

/** A tracking that is set up. @returns its id */
async function setUp(changes: object = {}): Promise<string> {
  const customer = await createCustomer(owner);
  const tracking = await createTracking(owner, customer.id, {
    name: 'Order',
    kind: 'BUTTON_CLICK',
    selector: '#order',
    ...changes,
  });
  const { id } = await askForSetup(owner, connectionId, { trackingId: tracking.id });
  await reaches(owner, id, 'SUCCEEDED');
  return tracking.id;
}

/** What a visitor of the web site gets, and what Google Ads counts. */
const atGoogle = (container = CONTAINER) => ({
  tags: google.tagManager.published(container, 'tags').map(({ name, paused = false }) => ({ name, paused })),
  selectors: google.tagManager
    .published(container, 'triggers')
    .map((trigger) => JSON.stringify(trigger.filter ?? [])),
  actions: [...google.ads.conversionActions.values()].map(({ name, category, status }) => ({
    name,
    category,
    status,
  })),
});

/** Asks for an operation. @returns it */
async function accepted(asked: Promise<{ status: number; body: { id: string }; headers: Headers }>) {
  const { status, body, headers } = await asked;
  expect({ status, body }).toMatchObject({ status: 202, body: { status: 'PENDING' } });
  expect(headers.get('location')).toBe(`${SETUPS}/${body.id}`);
  return body;
}

describe('a tracking that is not set up', () => {
  it('cannot be made active or paused', async () => {
    const tracking = await createTracking(owner, (await createCustomer(owner)).id);
    for (const status of ['ACTIVE', 'PAUSED']) {
      const refused = await owner.patch(path(tracking.id), { status, name: 'x' }, 1);
      expect([refused.status, refused.body.code]).toEqual([409, 'TRACKING_NOT_SET_UP']);
    }
    for (const status of ['DRAFT', 'SETTING_UP', 'FAILED'])
      expect((await owner.patch(path(tracking.id), { status }, 1)).status).toBe(400);
    expect(await read(tracking.id)).toMatchObject({ status: 'DRAFT', version: 1, name: tracking.name });
  });

  it('nor after its setup has failed; it is changed and deleted at once', async () => {
    google.faults.set(`POST /tagmanager/v2/${CONTAINER}/workspaces`, [REFUSAL]);
    const { id, trackingId } = await askForSetup(owner, connectionId);
    await reaches(owner, id, 'FAILED');
    expect((await change(trackingId, { status: 'ACTIVE' })).body.code).toBe('TRACKING_NOT_SET_UP');
    expect(await change(trackingId, { name: 'Other' })).toMatchObject({
      status: 200,
      body: { name: 'Other' },
    });
    const again = await askForSetup(owner, connectionId, { trackingId });
    await reaches(owner, again.id, 'SUCCEEDED');
    expect(await read(trackingId)).toMatchObject({ status: 'ACTIVE', name: 'Other' });
  });
});

describe('a change of a tracking that is set up', () => {
  it('is made at Google, and only then in the tracking', async () => {
    const id = await setUp();
    await setupQueue(service).pause();
    const operation = await accepted(change(id, { name: 'Buy', kind: 'PURCHASE' }));
    expect(operation).toMatchObject({ operation: 'UPDATE', changes: { name: 'Buy', kind: 'PURCHASE' } });
    expect(await read(id)).toMatchObject({ name: 'Order', kind: 'BUTTON_CLICK', status: 'ACTIVE' });
    await setupQueue(service).resume();
    const done = await reaches(owner, operation.id, 'SUCCEEDED');
    expect(done).toMatchObject({ progress: 100, failure: null });
    expect(await read(id)).toMatchObject({ name: 'Buy', kind: 'PURCHASE', status: 'ACTIVE' });
    const name = `Buy (${id})`;
    expect(atGoogle()).toEqual({
      tags: [{ name, paused: false }],
      selectors: ['[]'],
      actions: [{ name, category: 'PURCHASE', status: 'ENABLED' }],
    });
    const [trigger] = google.tagManager.published(CONTAINER, 'triggers');
    expect(trigger).toMatchObject({ type: 'customEvent', customEventFilter: [{ type: 'equals' }] });
    expect(google.tagManager.all('workspaces')).toEqual([]);
  });

  it('is paused and resumed, as Google confirms it', async () => {
    const id = await setUp();
    const name = `Order (${id})`;
    const paused = await accepted(change(id, { status: 'PAUSED' }));
    await reaches(owner, paused.id, 'SUCCEEDED');
    expect((await read(id)).status).toBe('PAUSED');
    expect(atGoogle()).toMatchObject({
      tags: [{ name, paused: true }],
      actions: [{ name, status: 'HIDDEN' }],
    });
    const renamed = await accepted(change(id, { selector: '#buy' }));
    await reaches(owner, renamed.id, 'SUCCEEDED');
    expect(await read(id)).toMatchObject({ status: 'PAUSED', selector: '#buy' });
    expect(atGoogle()).toMatchObject({
      tags: [{ paused: true }],
      selectors: [expect.stringContaining('#buy')],
    });
    const resumed = await accepted(change(id, { status: 'ACTIVE' }));
    await reaches(owner, resumed.id, 'SUCCEEDED');
    expect((await read(id)).status).toBe('ACTIVE');
    expect(atGoogle()).toMatchObject({
      tags: [{ name, paused: false }],
      actions: [{ name, status: 'ENABLED' }],
    });
  });

  it('that changes nothing asks Google nothing', async () => {
    const id = await setUp();
    const asked = google.requests.length;
    expect((await change(id, { status: 'ACTIVE', name: 'Order' })).status).toBe(200);
    expect(google.requests.length).toBe(asked);
  });

  it('to the name of another tracking is refused, also where that took it meanwhile', async () => {
    const id = await setUp();
    const { customerId } = await read(id);
    await createTracking(owner, customerId, { name: 'Taken' });
    expect((await change(id, { name: 'Taken' })).body.code).toBe('TRACKING_NAME_TAKEN');
    await setupQueue(service).pause();
    const { id: operation } = await accepted(change(id, { name: 'Free', status: 'PAUSED' }));
    await createTracking(owner, customerId, { name: 'Free' });
    await setupQueue(service).resume();
    expect((await reaches(owner, operation, 'FAILED')).failure).toBe('TRACKING_NAME_TAKEN');
    expect(await read(id)).toMatchObject({ name: 'Order', status: 'ACTIVE' });
    const name = `Order (${id})`;
    expect(atGoogle()).toMatchObject({
      tags: [{ name, paused: false }],
      actions: [{ name, status: 'ENABLED' }],
    });
  });

  it('finds what people have renamed at Google', async () => {
    const id = await setUp();
    google.tagManager.edit(CONTAINER, (workspace) => {
      for (const kind of ['tags', 'triggers'])
        for (const entity of google.tagManager.all(kind).filter((each) => each.path.startsWith(workspace)))
          google.tagManager.put(entity.path, { ...entity, name: 'mine' });
    });
    for (const [key, action] of google.ads.conversionActions)
      google.ads.conversionActions.set(key, { ...action, name: 'mine' });
    const { id: operation } = await accepted(change(id, { status: 'PAUSED' }));
    await reaches(owner, operation, 'SUCCEEDED');
    expect(atGoogle()).toMatchObject({ tags: [{ paused: true }], actions: [{ status: 'HIDDEN' }] });
    expect(atGoogle().tags).toHaveLength(1);
  });

  it('goes through another connection of the same Google account', async () => {
    const other = await connectGoogle(google, owner, 'ada@example.com');
    const tracking = await createTracking(owner, (await createCustomer(owner)).id);
    const { id } = await askForSetup(owner, other, { trackingId: tracking.id });
    await reaches(owner, id, 'SUCCEEDED');
    await owner.remove(`/api/v1/connections/${other}`);
    expect((await change(tracking.id, { status: 'PAUSED' })).body.code).toBe('RECONNECT_REQUIRED');
    const again = await connectGoogle(google, owner, 'ada@example.com');
    const operation = await accepted(change(tracking.id, { status: 'PAUSED' }));
    expect(operation).toMatchObject({ connectionId: again });
    await reaches(owner, operation.id, 'SUCCEEDED');
  });

  it('waits as long as Google says, and is not counted as an attempt', async () => {
    const id = await setUp();
    const triggers = `/tagmanager/v2/${CONTAINER}/workspaces`;
    google.faults.set(triggers, [{ status: 429, headers: { 'retry-after': '7' } }]);
    const { id: operation } = await accepted(change(id, { status: 'PAUSED' }));
    await eventually(async () =>
      expect((await owner.get(`${SETUPS}/${operation}`)).body.retryAt).not.toBeNull(),
    );
    await reaches(owner, operation, 'SUCCEEDED');
    expect((await setupQueue(service).getJob(`${operation}-1-container`))?.attemptsMade).toBe(1);
    expect(await letters()).toEqual([]);
  });
});

it('a tracking whose name contains the id of another one shares nothing with it at Google', async () => {
  const customer = await createCustomer(owner);
  const other = await createTracking(owner, customer.id, { name: 'Order', kind: 'BUTTON_CLICK' });
  const named = await createTracking(owner, customer.id, { name: `(${other.id})`, kind: 'BUTTON_CLICK' });
  for (const trackingId of [named.id, other.id]) {
    const { id } = await askForSetup(owner, connectionId, { trackingId });
    await reaches(owner, id, 'SUCCEEDED');
  }
  const names = [`(${other.id}) (${named.id})`, `Order (${other.id})`];
  expect(atGoogle().tags.map(({ name }) => name)).toEqual(names);
  expect(atGoogle().actions.map(({ name }) => name)).toEqual(names);
  const { id: operation } = await accepted(remove(other.id));
  await reaches(owner, operation, 'SUCCEEDED');
  expect(atGoogle().tags.map(({ name }) => name)).toEqual(names.slice(0, 1));
  expect(atGoogle().actions.map(({ name }) => name)).toEqual(names.slice(0, 1));
});

describe('a deletion of a tracking that is set up', () => {
  it('deletes it at Google first; restored, it is a draft that can be set up', async () => {
    const id = await setUp();
    const operation = await accepted(remove(id));
    expect(operation).toMatchObject({ operation: 'DELETE', changes: null });
    await reaches(owner, operation.id, 'SUCCEEDED');
    expect((await owner.get(path(id))).status).toBe(404);
    expect(atGoogle()).toEqual({ tags: [], selectors: [], actions: [] });
    const restored = await owner.post(`${path(id)}/restore`, undefined);
    expect(restored.body).toMatchObject({ status: 'DRAFT', deletedAt: null });
    const again = await askForSetup(owner, connectionId, { trackingId: id });
    await reaches(owner, again.id, 'SUCCEEDED');
    expect((await read(id)).status).toBe('ACTIVE');
    expect(atGoogle().tags).toEqual([{ name: `Order (${id})`, paused: false }]);
    expect(atGoogle().actions).toHaveLength(1);
  });

  it.each<[string, () => void]>([
    [
      'tag and action',
      () => {
        google.tagManager.edit(CONTAINER, (workspace) => {
          for (const kind of ['tags', 'triggers'])
            for (const { path: entity } of google.tagManager.all(kind))
              if (entity.startsWith(workspace)) google.tagManager.drop(entity);
        });
        google.ads.conversionActions.clear();
      },
    ],
    ['container', () => google.tagManager.drop(CONTAINER)],
  ])('is done though people have deleted its %s at Google', async (_what, meanwhile) => {
    const id = await setUp();
    meanwhile();
    const { id: operation } = await accepted(remove(id));
    await reaches(owner, operation, 'SUCCEEDED');
    expect((await owner.get(path(id))).status).toBe(404);
    expect(google.tagManager.all('workspaces')).toEqual([]);
  });

  it('publishes no draft of other people', async () => {
    const id = await setUp();
    const empty = (workspace: string) => {
      for (const kind of ['tags', 'triggers'])
        for (const { path: entity } of google.tagManager.all(kind))
          if (entity.startsWith(workspace)) google.tagManager.drop(entity);
    };
    google.tagManager.edit(CONTAINER, empty);
    google.tagManager.draft(CONTAINER, (workspace) => {
      google.tagManager.add(workspace, 'tags', { name: 'draft' });
    });
    const { id: operation } = await accepted(remove(id));
    await reaches(owner, operation, 'SUCCEEDED');
    expect(atGoogle().tags).toEqual([]);
  });

  it('leaves other trackings of the container as they are', async () => {
    const id = await setUp();
    const { customerId } = await read(id);
    const other = await createTracking(owner, customerId);
    const setup = await askForSetup(owner, connectionId, { trackingId: other.id });
    await reaches(owner, setup.id, 'SUCCEEDED');
    const { id: operation } = await accepted(remove(id));
    await reaches(owner, operation, 'SUCCEEDED');
    expect(atGoogle().tags).toEqual([{ name: expect.stringContaining(other.id), paused: false }]);
    expect(atGoogle().actions).toHaveLength(1);
  });

  it('is needed before the customer can be deleted', async () => {
    const id = await setUp();
    const { customerId } = await read(id);
    const customer = `/api/v1/customers/${customerId}`;
    const draft = await createTracking(owner, customerId);
    const refused = await owner.remove(customer, 1);
    expect([refused.status, refused.body.code]).toEqual([409, 'CUSTOMER_HAS_TRACKINGS']);
    expect((await owner.get(path(draft.id))).status).toBe(200);
    const { id: operation } = await accepted(remove(id));
    expect((await owner.remove(customer, 1)).status).toBe(409);
    await reaches(owner, operation, 'SUCCEEDED');
    expect((await owner.remove(customer, 1)).status).toBe(204);
  });
});

describe('a tracking whose Google account is lost', () => {
  it('is a draft once an administrator declares that Google has nothing of it', async () => {
    const id = await setUp();
    await owner.remove(`/api/v1/connections/${connectionId}`);
    const before = atGoogle();
    expect((await remove(id)).body.code).toBe('RECONNECT_REQUIRED');
    expect((await detach(id, await newMember(service, owner, 'MEMBER'))).status).toBe(403);
    expect((await owner.post(`${path(id)}/detach`, undefined)).status).toBe(428);
    expect((await owner.post(`${path(id)}/detach`, undefined, { 'if-match': '"1"' })).status).toBe(412);
    const admin = await newMember(service, owner, 'ADMIN');
    expect(await detach(id, admin)).toMatchObject({ status: 200, body: { status: 'DRAFT' } });
    const { data } = (await owner.get('/api/v1/audit-log')).body;
    expect(data.find(({ action }: { action: string }) => action === 'tracking.detached')).toMatchObject({
      changes: { from: 'ACTIVE', leftovers: 0 },
    });
    expect((await remove(id)).status).toBe(204);
    expect(atGoogle()).toEqual(before);
  });

  it('is not declared gone while an operation is under way', async () => {
    await setupQueue(service).pause();
    const { id, trackingId } = await askForSetup(owner, connectionId);
    expect((await detach(trackingId)).body.code).toBe('TRACKING_SETUP_RUNNING');
    await setupQueue(service).resume();
    await reaches(owner, id, 'SUCCEEDED');
  });
});

describe('operations of one tracking', () => {
  it('run one at a time, and none is lost', async () => {
    google.latencyMs = 100;
    const { id: setup, trackingId: id } = await askForSetup(owner, connectionId);
    for (const refused of [
      await change(id, { status: 'PAUSED' }),
      await change(id, { name: 'x' }),
      await remove(id),
    ])
      expect([refused.status, refused.body.code]).toEqual([409, 'TRACKING_SETUP_RUNNING']);
    google.latencyMs = 0;
    await reaches(owner, setup, 'SUCCEEDED');
    const { version } = await read(id);
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, () => owner.patch(path(id), { status: 'PAUSED' }, version)),
      ...Array.from({ length: 4 }, () => owner.remove(path(id), version)),
    ]);
    const [winner, ...others] = answers.filter(({ status }) => status === 202);
    expect(others).toEqual([]);
    expect(answers.filter(({ body }) => body.code === 'TRACKING_SETUP_RUNNING')).toHaveLength(7);
    await reaches(owner, winner?.body.id, 'SUCCEEDED');
    expect((await owner.get(`${SETUPS}?trackingId=${id}`)).body.data).toHaveLength(2);
  });

  it('keep those of other trackings in the same container, in whatever order they are published', async () => {
    const customer = await createCustomer(owner);
    const kept = await createTracking(owner, customer.id);
    const first = await askForSetup(owner, connectionId, { trackingId: kept.id });
    await reaches(owner, first.id, 'SUCCEEDED');
    const ids: string[] = [];
    for (let each = 0; each < 4; each += 1) ids.push((await createTracking(owner, customer.id)).id);
    google.latencyMs = 30;
    const setups = await Promise.all(
      ids.map((trackingId) => askForSetup(owner, connectionId, { trackingId })),
    );
    for (const { id } of setups) await reaches(owner, id, 'SUCCEEDED');
    const live = () => atGoogle().tags.map(({ name, paused }) => `${name.slice(-37, -1)} ${paused}`);
    expect(live().sort()).toEqual([kept.id, ...ids].map((id) => `${id} false`).sort());
    const operations = await Promise.all(
      ids.map((id, index) => accepted(index < 2 ? remove(id) : change(id, { status: 'PAUSED' }))),
    );
    for (const { id } of operations) await reaches(owner, id, 'SUCCEEDED');
    const paused = ids.slice(2).map((id) => `${id} true`);
    expect(live().sort()).toEqual([`${kept.id} false`, ...paused].sort());
  });

  it('that are lost are added again', async () => {
    const id = await setUp();
    const queue = setupQueue(service);
    await queue.pause();
    const { id: operation } = await accepted(remove(id));
    await queue.obliterate({ force: true });
    await queue.resume();
    await service.app.get(SetupsRedelivery).redeliver(0);
    await reaches(owner, operation, 'SUCCEEDED');
    expect(atGoogle()).toEqual({ tags: [], selectors: [], actions: [] });
  });

  it('are for members, of the organization', async () => {
    const id = await setUp();
    const { version } = await read(id);
    const viewer = await newMember(service, owner, 'VIEWER');
    expect((await viewer.patch(path(id), { status: 'PAUSED' }, version)).status).toBe(403);
    expect((await viewer.remove(path(id), version)).status).toBe(403);
    const stranger = await newOwner(service);
    expect((await stranger.patch(path(id), { status: 'PAUSED' }, version)).status).toBe(404);
    expect((await stranger.remove(path(id), version)).status).toBe(404);
  });
});

describe('an operation that fails for good', () => {
  const publications = () => google.requests.filter(({ path: each }) => each.endsWith(':publish')).length;

  it.each<[string, object, (next: number) => [string, object[]]]>([
    [
      'the tag',
      { status: 'PAUSED' },
      (next) => [`GET /tagmanager/v2/${CONTAINER}/workspaces/${next}/tags`, [REFUSAL]],
    ],
    [
      'the version',
      { status: 'PAUSED', name: 'x' },
      (next) => [`/tagmanager/v2/${CONTAINER}/workspaces/${next}:create_version`, [REFUSAL]],
    ],
    [
      'the publication',
      { kind: 'PURCHASE' },
      (next) => [`/tagmanager/v2/${CONTAINER}/versions/${next + 1}:publish`, [REFUSAL]],
    ],
  ])('at %s leaves tracking and Google as they were', async (_step, input, fault) => {
    const id = await setUp();
    const before = { tracking: await read(id), google: atGoogle(), publications: publications() };
    const next = 1 + Number(google.tagManager.live.get(CONTAINER)?.split('/').at(-1));
    const [url, faults] = fault(next);
    google.faults.set(url, faults as never);
    const { id: operation } = await accepted(change(id, input));
    const failed = await reaches(owner, operation, 'FAILED');
    expect(failed.failure).toBe('GOOGLE_REQUEST_REFUSED');
    expect(Object.values(states(failed))).not.toContain('DONE');
    expect(await read(id)).toEqual(before.tracking);
    expect(atGoogle()).toEqual(before.google);
    expect(google.tagManager.all('workspaces')).toEqual([]);
    const [letter] = await letters();
    expect(letter).toMatchObject({ subjectId: operation, failure: 'GOOGLE_REQUEST_REFUSED' });
    const requeued = await owner.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined);
    expect(requeued.status).toBe(202);
    await reaches(owner, operation, 'SUCCEEDED');
    expect(await read(id)).toMatchObject(input);
    expect(atGoogle().tags).toHaveLength(1);
    expect(atGoogle().actions).toHaveLength(1);
  });

  it('at its last step has what was published taken back', async () => {
    const id = await setUp();
    const before = atGoogle();
    google.faults.set(MUTATE, [REFUSAL]);
    const { id: operation } = await accepted(remove(id));
    const failed = await reaches(owner, operation, 'FAILED');
    expect(failed).toMatchObject({ failedStep: 'CONVERSION_ACTION', failure: 'GOOGLE_REQUEST_REFUSED' });
    expect(failed.steps.map(({ step }: { step: string }) => step)).toEqual([
      'CONTAINER',
      'TAG',
      'PUBLISH',
      'CONVERSION_ACTION',
    ]);
    expect(atGoogle()).toEqual(before);
    expect((await read(id)).status).toBe('ACTIVE');
    // Nothing waits for what will not come, and the next operation succeeds.
    await eventually(async () => expect(await setupQueue(service).getWaitingChildrenCount()).toBe(0));
    const again = await accepted(remove(id));
    await reaches(owner, again.id, 'SUCCEEDED');
    expect(atGoogle()).toEqual({ tags: [], selectors: [], actions: [] });
  });

  it('though it was published has that taken back, a first setup as well', async () => {
    google.faults.set(`/tagmanager/v2/${CONTAINER}/versions/6:publish`, ['answer-lost', REFUSAL]);
    const { id, trackingId } = await askForSetup(owner, connectionId);
    await reaches(owner, id, 'FAILED');
    expect(publications()).toBeGreaterThan(1);
    expect((await read(trackingId)).status).toBe('FAILED');
    expect(atGoogle()).toEqual({ tags: [], selectors: [], actions: [] });
  });

  /** An operation that fails and cannot be taken back. */
  async function abandoned(asked: () => Promise<{ id: string }>): Promise<string> {
    const { id } = await asked();
    const failed = await reaches(owner, id, 'FAILED');
    expect(Object.values(states(failed))).toContain('DONE');
    google.faults.clear();
    return id;
  }

  /** Each request to it is refused. */
  const refuse = (url: string) =>
    google.faults.set(
      url,
      Array.from({ length: 9 }, () => REFUSAL),
    );

  const latest = () => 1 + Number(google.tagManager.live.get(CONTAINER)?.split('/').at(-1));

  /** A change that made a version, whose publication was refused as well as its reversal. */
  async function unpublished(id: string, input: object): Promise<string> {
    const next = latest();
    return abandoned(async () => {
      // Then no workspace is made that could reverse the change.
      const publication = () => {
        refuse(`POST /tagmanager/v2/${CONTAINER}/workspaces`);
        return REFUSAL;
      };
      const faults = Object.assign([], { shift: publication });
      google.faults.set(`/tagmanager/v2/${CONTAINER}/versions/${next + 1}:publish`, faults);
      return accepted(change(id, input));
    });
  }

  it('and cannot be taken back is published when it is begun again', async () => {
    const id = await setUp();
    const operation = await unpublished(id, { status: 'PAUSED' });
    expect(atGoogle().tags).toMatchObject([{ paused: false }]);
    const letter = (await letters()).find(({ job }: { job: string }) => job === 'setUpStep');
    expect((await owner.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined)).status).toBe(202);
    await reaches(owner, operation, 'SUCCEEDED');
    expect((await read(id)).status).toBe('PAUSED');
    expect(atGoogle()).toMatchObject({ tags: [{ paused: true }], actions: [{ status: 'HIDDEN' }] });
  });

  it('and cannot be taken back is taken back when it is begun again and fails again', async () => {
    const id = await setUp();
    const next = latest();
    const operation = await abandoned(async () => {
      const replies: Fault[] = ['answer-lost', REFUSAL];
      const publication = () => {
        refuse(`POST /tagmanager/v2/${CONTAINER}/workspaces`);
        return replies.shift();
      };
      const faults = Object.assign([], { shift: publication });
      google.faults.set(`/tagmanager/v2/${CONTAINER}/versions/${next + 1}:publish`, faults);
      return accepted(change(id, { status: 'PAUSED' }));
    });
    expect(atGoogle().tags).toMatchObject([{ paused: true }]);
    refuse(`GET /tagmanager/v2/${CONTAINER}/workspaces/${next + 2}/tags`);
    const letter = (await letters()).find(({ job }: { job: string }) => job === 'setUpStep');
    expect((await owner.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined)).status).toBe(202);
    const failed = await reaches(owner, operation, 'FAILED');
    expect([failed.attempt, failed.failedStep]).toEqual([2, 'TAG']);
    expect(Object.values(states(failed))).not.toContain('RUNNING');
    expect((await read(id)).status).toBe('ACTIVE');
    expect(atGoogle()).toMatchObject({ tags: [{ paused: false }], actions: [{ status: 'ENABLED' }] });
  });

  it('and was published, is taken back though only an earlier attempt had changes to publish', async () => {
    const id = await setUp();
    const before = atGoogle();
    const operation = await abandoned(async () => {
      const refusal = () => {
        refuse(`POST /tagmanager/v2/${CONTAINER}/workspaces`);
        return REFUSAL;
      };
      google.faults.set(MUTATE, Object.assign([], { shift: refusal }));
      return accepted(remove(id));
    });
    expect(atGoogle().tags).toEqual([]);
    google.faults.set(MUTATE, [REFUSAL]);
    const letter = (await letters()).find(({ job }: { job: string }) => job === 'setUpStep');
    expect((await owner.post(`${DEAD_LETTERS}/${letter.id}/requeue`, undefined)).status).toBe(202);
    const failed = await reaches(owner, operation, 'FAILED');
    expect([failed.attempt, failed.failedStep]).toEqual([2, 'CONVERSION_ACTION']);
    expect((await read(id)).status).toBe('ACTIVE');
    expect(atGoogle()).toEqual(before);
  });

  it('and cannot be taken back leaves a tracking that a change to what it is brings in line', async () => {
    const id = await setUp();
    await unpublished(id, { status: 'PAUSED' });
    const operation = await accepted(change(id, { status: 'ACTIVE' }));
    await reaches(owner, operation.id, 'SUCCEEDED');
    expect((await read(id)).status).toBe('ACTIVE');
    expect(atGoogle()).toMatchObject({ tags: [{ paused: false }], actions: [{ status: 'ENABLED' }] });
    expect((await change(id, { status: 'ACTIVE' })).status).toBe(200);
  });

  /** A setup that fails and leaves a workspace. */
  async function leftover(): Promise<{ id: string; trackingId: string; customerId: string }> {
    let trackingId = '';
    const id = await abandoned(async () => {
      refuse(`POST /tagmanager/v2/${CONTAINER}/workspaces/3/tags`);
      refuse(`DELETE /tagmanager/v2/${CONTAINER}/workspaces/3`);
      const asked = await askForSetup(owner, connectionId);
      trackingId = asked.trackingId;
      return asked;
    });
    return { id, trackingId, customerId: (await read(trackingId)).customerId };
  }

  it('and whose conversion action cannot be removed leaves that to the deletion', async () => {
    let trackingId = '';
    await abandoned(async () => {
      const refusal = () => {
        refuse(MUTATE);
        return REFUSAL;
      };
      const faults = Object.assign([], { shift: refusal });
      google.faults.set(`POST /tagmanager/v2/${CONTAINER}/workspaces/3/tags`, faults);
      const asked = await askForSetup(owner, connectionId);
      trackingId = asked.trackingId;
      return asked;
    });
    expect(google.ads.conversionActions.size).toBe(1);
    const { id: operation } = await accepted(remove(trackingId));
    await reaches(owner, operation, 'SUCCEEDED');
    expect(google.ads.conversionActions.size).toBe(0);
  });

  it('and leaves something is not forgotten by a setup that fails later', async () => {
    const { trackingId } = await leftover();
    google.faults.set(`GET /tagmanager/v2/accounts/1/containers`, [REFUSAL]);
    const { id: second } = await askForSetup(owner, connectionId, { trackingId });
    await reaches(owner, second, 'FAILED');
    google.faults.clear();
    const { id: operation } = await accepted(remove(trackingId));
    await reaches(owner, operation, 'SUCCEEDED');
    expect(google.tagManager.all('workspaces')).toEqual([]);
  });

  it('and leaves something is set up again with the same accounts only', async () => {
    const { trackingId } = await leftover();
    google.ads.customers.push('9999999999');
    const other = { trackingId, connectionId, tagManagerAccountId: '1', adsCustomerId: '9999999999' };
    const refused = await owner.post(SETUPS, other);
    expect([refused.status, refused.body.code]).toEqual([409, 'TRACKING_HAS_LEFTOVERS']);
    expect((await read(trackingId)).status).toBe('FAILED');
    const { id } = await askForSetup(owner, connectionId, { trackingId });
    await reaches(owner, id, 'SUCCEEDED');
    expect(google.tagManager.all('workspaces')).toEqual([]);
  });

  it('and leaves something keeps its customer from being deleted, and is not changed while it is deleted', async () => {
    const { trackingId, customerId } = await leftover();
    const customer = `/api/v1/customers/${customerId}`;
    expect((await owner.remove(customer, 1)).body.code).toBe('CUSTOMER_HAS_TRACKINGS');
    await setupQueue(service).pause();
    const { id: operation } = await accepted(remove(trackingId));
    expect((await change(trackingId, { name: 'Other' })).body.code).toBe('TRACKING_SETUP_RUNNING');
    expect((await remove(trackingId)).body.code).toBe('TRACKING_SETUP_RUNNING');
    expect((await owner.remove(customer, 1)).body.code).toBe('CUSTOMER_HAS_TRACKINGS');
    await setupQueue(service).resume();
    await reaches(owner, operation, 'SUCCEEDED');
    expect((await owner.remove(customer, 1)).status).toBe(204);
  });

  it('and has left something that a later one cleared does not keep its customer from being deleted', async () => {
    const { id, trackingId, customerId } = await leftover();
    const again = await askForSetup(owner, connectionId, { trackingId });
    await reaches(owner, again.id, 'SUCCEEDED');
    expect(Object.values(states(await reaches(owner, id, 'FAILED')))).not.toContain('DONE');
    const { id: deletion } = await accepted(remove(trackingId));
    await reaches(owner, deletion, 'SUCCEEDED');
    await owner.post(`${path(trackingId)}/restore`, undefined);
    google.faults.set(`GET /tagmanager/v2/accounts/1/containers`, [REFUSAL]);
    google.faults.set(`GET /tagmanager/v2/${CONTAINER}/workspaces`, [REFUSAL]);
    const third = await askForSetup(owner, connectionId, { trackingId });
    await reaches(owner, third.id, 'FAILED');
    google.faults.clear();
    expect((await owner.remove(`/api/v1/customers/${customerId}`, 1)).status).toBe(204);
  });

  it('and leaves something in an account that is lost does not keep its customer, if an administrator says so', async () => {
    const { trackingId, customerId } = await leftover();
    await owner.remove(`/api/v1/connections/${connectionId}`);
    const customer = `/api/v1/customers/${customerId}`;
    expect((await remove(trackingId)).body.code).toBe('RECONNECT_REQUIRED');
    expect((await owner.remove(customer, 1)).body.code).toBe('CUSTOMER_HAS_TRACKINGS');
    expect(await detach(trackingId)).toMatchObject({ status: 200, body: { status: 'DRAFT' } });
    expect((await owner.remove(customer, 1)).status).toBe(204);
  });

  it('and cannot be taken back leaves a tracking whose deletion removes the rest', async () => {
    const mutations = Array.from({ length: 2 }, () => REFUSAL);
    google.faults.set(`POST /tagmanager/v2/${CONTAINER}/workspaces/3/tags`, [REFUSAL]);
    google.faults.set(`DELETE /tagmanager/v2/${CONTAINER}/workspaces/3`, mutations);
    const { id, trackingId } = await askForSetup(owner, connectionId);
    const failed = await reaches(owner, id, 'FAILED');
    expect(states(failed)).toMatchObject({ CONTAINER: 'DONE' });
    expect(await letters()).toHaveLength(2);
    google.faults.clear();
    const { id: operation } = await accepted(remove(trackingId));
    await reaches(owner, operation, 'SUCCEEDED');
    expect(google.tagManager.all('workspaces')).toEqual([]);
    expect((await owner.get(path(trackingId))).status).toBe(404);
  });
});
