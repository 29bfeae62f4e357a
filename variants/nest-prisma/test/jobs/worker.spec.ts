import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../scripts/services/processes.mjs';
import { SetupsRedelivery } from '../../src/tracking-setups/setups.redelivery.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle } from '../support/fake-google.js';
import { connectGoogle, startGoogle } from '../support/google.js';
import { type Client, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';
import { SETTINGS } from '../support/settings.js';
import { askForSetup, DEAD_LETTERS, reaches, SETUPS, setupQueue } from './support.js';

let stored: TestDatabase;
let google: FakeGoogle;
let settings: Record<string, string>;
let api: TestService;
let owner: Client;
let connectionId: string;

beforeAll(async () => {
  stored = await createDatabase();
  const started = await startGoogle();
  google = started.google;
  google.tagManager.add('', 'accounts', { name: 'Agency' });
  settings = { ...started.settings, REDIS_PREFIX: `test-${randomUUID()}` };
  api = await startService(stored, { ...settings, WORKER_IN_API: 'false' });
  owner = await newOwner(api);
  connectionId = await connectGoogle(google, owner);
});

afterAll(async () => {
  await setupQueue(api).obliterate({ force: true });
  await api.stop();
  await google.stop();
  await stored.drop();
});

/** As `npm run start:worker`: what `npm test` has compiled. */
function startWorker(port: number): ChildProcess {
  return spawn(process.execPath, ['--import', './dist/instrumentation.js', 'dist/worker.js'], {
    stdio: 'ignore',
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      DATABASE_URL: stored.url,
      ...SETTINGS,
      ...settings,
      WORKER_PORT: `${port}`,
      HOST: '127.0.0.1',
    },
  });
}

describe('a worker in a process of its own', () => {
  it('that is killed in the middle of a step has that step taken by another, with one effect', async () => {
    const tags = '/tagmanager/v2/accounts/1/containers/2/workspaces/3/tags';
    // The tag is made, and nobody hears of it.
    google.faults.set(`POST ${tags}`, ['answer-lost', 'hangs']);
    google.faults.set(`GET ${tags}`, [{ status: 200, body: {} }, 'hangs']);
    const killed = startWorker(await freePort());
    const { id } = await askForSetup(owner, connectionId);
    await eventually(async () => expect(google.count(tags, 'POST')).toBe(1));
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    google.faults.clear();
    expect((await owner.get(`${SETUPS}/${id}`)).body).toMatchObject({ status: 'RUNNING', progress: 50 });
    const port = await freePort();
    const other = startWorker(port);
    try {
      await reaches(owner, id, 'SUCCEEDED');
      expect(google.tagManager.all('versions').length).toBe(1);
      expect(google.tagManager.all('containers').length).toBe(1);
      expect(google.ads.conversionActions.size).toBe(1);
      const created = google.requests.filter(({ method, path }) => method === 'POST' && path === tags);
      expect(created.length).toBe(1);
      expect((await owner.get(DEAD_LETTERS)).body.data).toEqual([]);

      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(metrics).toMatch(
        /jobs_duration_seconds_count\{[^}]*job="setUpStep",outcome="done"[^}]*\} [1-9]/,
      );
      expect(metrics).toMatch(/jobs_queue_depth\{[^}]*queue="tracking-setup",state="waiting"[^}]*\} 0/);
      expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(200);
      expect((await fetch(`http://127.0.0.1:${port}/api/v1/audit-log`)).status).toBe(404);
    } finally {
      other.kill('SIGTERM');
      expect(await once(other, 'exit')).toEqual([0, null]);
    }
  }, 120_000);
});

describe('a worker that is killed', () => {
  it.each<[string, object | undefined]>([
    ['change', { status: 'PAUSED' }],
    ['deletion', undefined],
  ])(
    'while it publishes a %s has that done by another, with one effect',
    async (_what, change) => {
      const [first, second] = await Promise.all([freePort(), freePort()]);
      const doomed = startWorker(first);
      const { id: setup, trackingId } = await askForSetup(owner, connectionId);
      const { steps } = await reaches(owner, setup, 'SUCCEEDED');
      const container = steps[0].resources.containerPath;
      const path = `/api/v1/trackings/${trackingId}`;
      const next = Number(steps[3].resources.versionPath.split('/').at(-1)) + 1;
      // The version is made, and nobody hears of it.
      const url = `/tagmanager/v2/${container}/workspaces/${next}:create_version`;
      google.faults.set(url, ['answer-lost']);
      const list = `GET /tagmanager/v2/${container}/version_headers`;
      google.faults.set(list, [{ status: 200, body: {} }, 'hangs']);
      const { body } = await owner.get(path);
      const asked = await (change === undefined
        ? owner.remove(path, body.version)
        : owner.patch(path, change, body.version));
      expect(asked.status).toBe(202);
      await eventually(async () => expect(google.count(url)).toBe(1));
      doomed.kill('SIGKILL');
      await once(doomed, 'exit');
      google.faults.clear();
      expect((await owner.get(path)).body).toMatchObject({ status: 'ACTIVE', version: body.version });
      const other = startWorker(second);
      try {
        await reaches(owner, asked.body.id, 'SUCCEEDED');
      } finally {
        other.kill('SIGTERM');
        await once(other, 'exit');
      }
      const mine = ({ name }: { name: string }) => name.includes(trackingId);
      const tags = google.tagManager.published(container, 'tags').filter(mine);
      const actions = [...google.ads.conversionActions.values()].filter(mine);
      if (change === undefined) expect([...tags, ...actions]).toEqual([]);
      else expect([tags, actions]).toMatchObject([[{ paused: true }], [{ status: 'HIDDEN' }]]);
      expect((await owner.get(path)).body).toMatchObject(change ?? { code: 'TRACKING_NOT_FOUND' });
      const versions = google.tagManager.all('versions').filter((each) => each.path.startsWith(container));
      expect(versions).toHaveLength(2);
    },
    120_000,
  );
});

/** A way to Valkey that can be closed. */
class Gate {
  private readonly sockets = new Set<Socket>();
  private isOpen = true;
  private readonly server: Server = createServer((socket) => {
    if (!this.isOpen) {
      socket.destroy();
      return;
    }
    const { hostname, port } = new URL(SETTINGS.REDIS_URL ?? '');
    const target = connect(Number(port), hostname);
    for (const [one, other] of [
      [socket, target],
      [target, socket],
    ] as const) {
      this.sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });

  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    const url = new URL(SETTINGS.REDIS_URL ?? '');
    url.host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    return url.href;
  }

  close(): void {
    this.isOpen = false;
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  open(): void {
    this.isOpen = true;
  }

  stop(): void {
    this.close();
    this.server.close();
  }
}

describe('while Valkey is away', () => {
  it.each([
    ['since the service was started', true],
    ['since later', false],
  ])('%s, a set-up is taken in all the same, and done when Valkey is back', async (_when, fromTheStart) => {
    const gate = new Gate();
    const REDIS_URL = await gate.start();
    if (fromTheStart) gate.close();
    const service = await startService(stored, {
      ...settings,
      REDIS_PREFIX: `test-${randomUUID()}`,
      REDIS_URL,
    });
    try {
      const headers = {
        authorization: `Bearer ${owner.token}`,
        'x-organization-id': owner.organizationId,
      };
      const through: Client = {
        ...owner,
        get: (path) => service.get(path, headers),
        post: (path, body) => service.post(path, body, headers),
      };
      if (!fromTheStart) await eventually(() => setupQueue(service).getJobCounts());
      gate.close();
      const { id, status } = await askForSetup(through, connectionId);
      expect(status).toBe('PENDING');
      gate.open();
      await eventually(() => service.app.get(SetupsRedelivery).redeliver(0));
      await reaches(through, id, 'SUCCEEDED');
      await setupQueue(service).obliterate({ force: true });
    } finally {
      await service.stop();
      gate.stop();
    }
  });
});
