import { randomUUID } from 'node:crypto';
import { request, type Server, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { lastValueFrom } from 'rxjs';
import { ChangeFeed } from '../../src/common/changes/change-feed.js';
import { StreamLimitGuard } from '../../src/common/changes/stream-limit.guard.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import type { FakeGoogle } from '../support/fake-google.js';
import { connectGoogle, startGoogle } from '../support/google.js';
import { asClient, type Client, newOwner, signIn } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';
import { askForSetup, follow, reaches, SETUPS, setupQueue } from './support.js';

let stored: TestDatabase;
let google: FakeGoogle;
/** Where jobs run. */
let worker: TestService;
/** Where clients listen. */
let api: TestService;
let settings: Record<string, string>;
let owner: Client;
let connectionId: string;

beforeAll(async () => {
  stored = await createDatabase();
  const started = await startGoogle();
  google = started.google;
  google.tagManager.add('', 'accounts', { name: 'Agency' });
  settings = { ...started.settings, REDIS_PREFIX: `test-${randomUUID()}` };
  worker = await startService(stored, settings);
  api = await startService(stored, { ...settings, WORKER_IN_API: 'false' });
  owner = await newOwner(api);
  connectionId = await connectGoogle(google, owner);
});

afterAll(async () => {
  await setupQueue(api).obliterate({ force: true });
  await api.stop();
  await worker.stop();
  await google.stop();
  await stored.drop();
});

const headers = (client = owner) => ({
  authorization: `Bearer ${client.token}`,
  'x-organization-id': client.organizationId,
});

describe('the events of a set-up', () => {
  it('tell, from whatever process, how far it is, beyond the time that a request may take, and end with it', async () => {
    const queue = setupQueue(api);
    await queue.pause();
    const { id } = await askForSetup(owner, connectionId);
    const impatient = await startService(stored, {
      ...settings,
      WORKER_IN_API: 'false',
      REQUEST_TIMEOUT_MS: '2000',
    });
    const url = `${impatient.url}${SETUPS}/${id}`;
    // The first answers of a process take longer than the others.
    while ((await fetch(url, { headers: headers() })).status !== 200);
    setTimeout(() => void queue.resume(), 2_500);
    const { events } = await follow(`${url}/events`, headers()).finally(() => impatient.stop());
    expect(events[0]?.data).toMatchObject({ id, status: 'PENDING', progress: 0 });
    expect(events.at(-1)?.data).toMatchObject({ id, status: 'SUCCEEDED', progress: 100 });
    expect(events.length).toBeGreaterThan(3);
    const versions = events.map((event) => Number(event.id));
    expect(versions).toEqual([...new Set(versions)].sort((one, other) => one - other));
    for (const event of events) expect(event.data.version).toBe(Number(event.id));
  });

  it('go on after the last one that the client has seen', async () => {
    const queue = setupQueue(api);
    await queue.pause();
    const { id } = await askForSetup(owner, connectionId);
    const url = `${api.url}${SETUPS}/${id}/events`;
    const first = await follow(url, headers(), (text) => text.includes('event: state'));
    setTimeout(() => void queue.resume(), 300);
    const { events } = await follow(url, { ...headers(), 'last-event-id': first.events[0]?.id ?? '' });
    expect(events.map((event) => event.id)).not.toContain(first.events[0]?.id);
    expect(events.at(-1)?.data.status).toBe('SUCCEEDED');
  });

  it('of one that is over are its last state', async () => {
    const { id } = await askForSetup(owner, connectionId);
    const { version } = await reaches(owner, id, 'SUCCEEDED');
    const url = `${api.url}${SETUPS}/${id}/events`;
    const { events } = await follow(url, { ...headers(), 'last-event-id': `${version}` });
    expect(events.map((event) => event.data.status)).toEqual(['SUCCEEDED']);
  });

  it('are limited to 20 streams of a user at a process, closed ones not counted', async () => {
    const queue = setupQueue(api);
    await queue.pause();
    const { id } = await askForSetup(owner, connectionId);
    const url = `${api.url}${SETUPS}/${id}/events`;
    const open = async () => {
      const stream = new AbortController();
      const { status } = await fetch(url, { headers: headers(), signal: stream.signal });
      return { status, close: () => stream.abort() };
    };
    const streams = await Promise.all(Array.from({ length: 21 }, open));
    expect(streams.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(streams.filter(({ status }) => status === 429)).toHaveLength(1);
    for (const { close } of streams) close();
    await eventually(async () => {
      const { status, close } = await open();
      close();
      expect(status).toBe(200);
    });
    await queue.resume();
    await reaches(owner, id, 'SUCCEEDED');
  });

  it('are not counted if the client has left before they begin', async () => {
    const { id } = await askForSetup(owner, connectionId);
    await reaches(owner, id, 'SUCCEEDED');
    // A token that the process does not know yet: it asks the database for the memberships.
    const client = await newOwner(api);
    const url = new URL(`${api.url}${SETUPS}/${id}/events`);
    const token = await signIn(client.email);
    let [arrived, closed] = [0, 0];
    const server = api.app.getHttpServer() as Server;
    const count = (_request: unknown, response: ServerResponse) => {
      arrived += 1;
      response.once('close', () => {
        closed += 1;
      });
    };
    server.on('request', count);
    const guard = jest.spyOn(StreamLimitGuard.prototype, 'canActivate');
    const lock = await stored.owner.connect();
    try {
      await lock.query('BEGIN; LOCK TABLE memberships IN ACCESS EXCLUSIVE MODE');
      const leaving = Array.from({ length: 20 }, () => {
        const sent = request(url, {
          agent: false,
          headers: { authorization: `Bearer ${token}`, 'x-organization-id': client.organizationId },
        });
        sent.on('error', () => undefined).end();
        return sent;
      });
      await eventually(async () => expect(arrived).toBe(20));
      for (const sent of leaving) sent.destroy();
      await eventually(async () => expect(closed).toBe(20));
    } finally {
      server.off('request', count);
      await lock.query('COMMIT');
      lock.release();
    }
    await eventually(async () => expect(guard).toHaveBeenCalledTimes(20));
    guard.mockRestore();
    expect((await fetch(url, { headers: headers(client) })).status).toBe(404);
  });

  it('are for members of the organization alone', async () => {
    const { id } = await askForSetup(owner, connectionId);
    const url = `${SETUPS}/${id}/events`;
    const stranger = await newOwner(api);
    expect((await stranger.get(url)).body.code).toBe('TRACKING_SETUP_NOT_FOUND');
    expect((await api.get(url)).status).toBe(401);
    expect((await owner.get(`${SETUPS}/no-uuid/events`)).status).toBe(400);
    await reaches(owner, id, 'SUCCEEDED');
  });

  it('end at once where the process has been told to stop already', async () => {
    const stopping = await startService(stored, { ...settings, WORKER_IN_API: 'false' });
    const feed = stopping.app.get(ChangeFeed);
    await stopping.stop();
    expect(await lastValueFrom(feed.of(randomUUID()), { defaultValue: 'ended' })).toBe('ended');
  });

  it('end when the process is told to stop', async () => {
    const stopping = await startService(stored, { ...settings, WORKER_IN_API: 'false' });
    const client = await asClient(stopping, owner.email, owner.organizationId);
    const queue = setupQueue(api);
    await queue.pause();
    const { id } = await askForSetup(owner, connectionId);
    const begun = Promise.withResolvers<void>();
    const following = follow(`${stopping.url}${SETUPS}/${id}/events`, headers(client), (text) => {
      if (text.includes('event: state')) begun.resolve();
      return false;
    });
    await begun.promise;
    const stopped = stopping.stop();
    // With its last chunk: a connection that was cut off would fail.
    expect((await following).events.length).toBe(1);
    await stopped;
    await queue.resume();
    await reaches(owner, id, 'SUCCEEDED');
  });
});
