import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SyncRunner } from '../../src/syncs/sync-runner.js';
import { SetupRunner } from '../../src/tracking-setups/setup-runner.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle } from '../support/fake-google.js';
import { inScope } from '../support/google.js';
import type { Client } from '../support/people.js';
import type { TestService } from '../support/service.js';
import {
  askForSetup,
  DEAD_LETTERS,
  reaches,
  SETUPS,
  setupQueue,
  startAgency,
  stopAgency,
  syncQueue,
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

const rows = (sql: string, values: unknown[]) => stored.rows(owner.organizationId, sql, values);
const setupOf = async (id: string) => (await owner.get(`${SETUPS}/${id}`)).body;

/** Runs something until Google is asked, and meanwhile something else. */
async function meanwhile(work: () => Promise<unknown>, change: () => Promise<unknown>): Promise<void> {
  const before = google.requests.length;
  google.latencyMs = 500;
  const working = inScope(service, owner, work);
  await eventually(async () => expect(google.requests.length).toBeGreaterThan(before));
  await change();
  google.latencyMs = 0;
  await working;
}

describe('a worker of an attempt that is over', () => {
  const runner = () => service.app.get(SetupRunner);
  let id: string;
  let job: { organizationId: string; setupId: string; attempt: number };

  beforeEach(async () => {
    await setupQueue(service).pause();
    ({ id } = await askForSetup(owner, connectionId));
    job = { organizationId: owner.organizationId, setupId: id, attempt: 1 };
  });

  it.each<[string, string]>([
    ['begun again', `UPDATE tracking_setups SET attempt = 2 WHERE id = $1`],
    ['taken back', `UPDATE tracking_setups SET status = 'COMPENSATING' WHERE id = $1`],
  ])('notes nothing if the operation was %s', async (_what, change) => {
    await meanwhile(
      () => runner().advance({ ...job, step: 'CONTAINER' }),
      async () => {
        await rows(change, [id]);
        await rows(`UPDATE tracking_setup_steps SET resources = '{"a":"b"}' WHERE setup_id = $1`, [id]);
      },
    );
    const [container] = (await setupOf(id)).steps;
    expect(container).toMatchObject({ step: 'CONTAINER', state: 'RUNNING', resources: { a: 'b' } });
  });

  it('takes nothing back', async () => {
    for (const step of ['CONTAINER', 'CONVERSION_ACTION'] as const)
      await inScope(service, owner, () => runner().advance({ ...job, step }));
    await rows(`UPDATE tracking_setups SET status = 'COMPENSATING' WHERE id = $1`, [id]);
    await meanwhile(
      () => runner().compensate(job),
      () => rows(`UPDATE tracking_setups SET status = 'RUNNING', attempt = 2 WHERE id = $1`, [id]),
    );
    expect((await setupOf(id)).steps.map(({ state }: { state: string }) => state)).toEqual([
      'DONE',
      'DONE',
      'PENDING',
      'PENDING',
    ]);
    expect(google.tagManager.all('workspaces')).toHaveLength(1);
  });

  it('neither postpones nor fails it', async () => {
    await setupQueue(service).resume();
    const { version } = await reaches(owner, id, 'SUCCEEDED');
    const later = new Date(Date.now() + 60_000);
    await inScope(service, owner, async () => {
      await runner().postpone({ ...job, step: 'PUBLISH' }, later);
      await runner().postpone(job, later);
      expect(await runner().fail(job, 'INTERNAL')).toBe(false);
      expect(await runner().abandon(job)).toBe(false);
    });
    expect(await setupOf(id)).toMatchObject({ status: 'SUCCEEDED', retryAt: null, version });
  });

  it('leaves no dead letter', async () => {
    google.latencyMs = 500;
    const tags = `/tagmanager/v2/accounts/1/containers/2/workspaces/3/tags`;
    google.faults.set(`POST ${tags}`, [{ status: 403, body: {} }]);
    await setupQueue(service).resume();
    await eventually(async () => expect(google.count(tags, 'POST')).toBe(1));
    await rows(`UPDATE tracking_setups SET attempt = 2 WHERE id = $1`, [id]);
    await eventually(async () =>
      expect(await (await setupQueue(service).getJob(`${id}-1-tag`))?.isCompleted()).toBe(true),
    );
    expect((await owner.get(DEAD_LETTERS)).body.data).toEqual([]);
    expect((await setupOf(id)).status).toBe('RUNNING');
  });
});

it('a worker of a sync that is over writes nothing', async () => {
  google.tagManager.add('accounts/1', 'containers', { name: 'Site' });
  await meanwhile(
    async () => {
      const runner = service.app.get(SyncRunner);
      await runner.sync(await runner.begin(connectionId));
    },
    () => rows(`UPDATE sync_runs SET status = 'FAILED' WHERE connection_id = $1`, [connectionId]),
  );
  expect((await owner.get('/api/v1/google-resources')).body.data).toEqual([]);
});

it('a worker of a sync that is over neither fails the next one nor leaves a dead letter', async () => {
  const accounts = '/tagmanager/v2/accounts';
  google.faults.set(accounts, [{ status: 403, body: {} }]);
  google.latencyMs = 1_000;
  const begin = async () => (await owner.post('/api/v1/syncs', { connectionId })).body.id as string;
  const first = await begin();
  await eventually(async () => expect(google.count(accounts)).toBe(1));
  await rows(`UPDATE sync_runs SET status = 'SUCCEEDED', finished_at = now() WHERE id = $1`, [first]);
  const second = await begin();
  expect(second).not.toBe(first);
  await eventually(async () =>
    expect(await (await syncQueue(service).getJob(`sync-${first}`))?.isCompleted()).toBe(true),
  );
  google.latencyMs = 0;
  await eventually(async () =>
    expect((await owner.get(`/api/v1/syncs/${second}`)).body.status).toBe('SUCCEEDED'),
  );
  expect((await owner.get(DEAD_LETTERS)).body.data).toEqual([]);
});

it('what a job throws is kept without its details', async () => {
  await stored.owner.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'canary %', NEW; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON tracking_setup_steps FOR EACH ROW EXECUTE FUNCTION refuse()`);
  const { id } = await askForSetup(owner, connectionId);
  const job = await eventually(async () => {
    const found = await setupQueue(service).getJob(`${id}-1-container`);
    expect(found?.failedReason).toBeDefined();
    return found;
  });
  await stored.owner.query('DROP TRIGGER refuse ON tracking_setup_steps');
  expect(job?.failedReason).toBe('INTERNAL');
  expect(new Set(job?.stacktrace)).toEqual(new Set(['Error: INTERNAL']));
  await reaches(owner, id, 'SUCCEEDED');
});
