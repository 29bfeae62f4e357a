import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { call, newProject, newUser, type TestUser } from '../support/api';
import { startHttpServer } from '../support/http-server';
import { startNameServer } from '../support/name-server';
import { startReceiver } from '../support/receiver';
import { type Service, startService } from '../support/service';

const webhook = (service: Service, user: TestUser, projectId: string, url: string) =>
  call(
    'POST',
    `/api/v1/projects/${projectId}/webhooks`,
    { token: user.token, body: { url, eventTypes: ['project.updated'] } },
    service.url,
  );

describe('a name that resolves slowly', () => {
  let service: Service;

  beforeAll(async () => {
    const names = await startNameServer();
    service = await startService({ DATABASE_POOL_MAX: '5', RATE_LIMIT_MAX: '1000000', ...names.settings });
    return async () => {
      await service.stop();
      names.stop();
    };
  });

  it('delays no look-up of others, however many there are', async () => {
    const mallory = await newUser();
    const slow: Promise<unknown>[] = [];
    for (let project = 0; project < 4; project++) {
      const { id } = await newProject(mallory);
      for (let hook = 0; hook < 5; hook++) {
        slow.push(webhook(service, mallory, id, `https://${randomUUID()}.slow.test/hook`));
      }
    }
    const ada = await newUser();
    const { id } = await newProject(ada);
    expect((await webhook(service, ada, id, `https://${randomUUID()}.quick.test/hook`)).status).toBe(201);
    await Promise.all(slow);
  });

  it('delays nobody but who entered it, and not for long', async () => {
    const [mallory, ada] = [await newUser(), await newUser()];
    const { id } = await newProject(mallory);
    const slow = Array.from({ length: 20 }, () =>
      webhook(service, mallory, id, `https://${randomUUID()}.slow.test/hook`),
    );
    const started = performance.now();
    for (let read = 0; read < 20; read++) {
      const answer = await call('GET', '/api/v1/projects', { token: ada.token }, service.url);
      expect(answer.status).toBe(200);
    }
    expect(performance.now() - started).toBeLessThan(5_000);
    const answers = await Promise.all(slow);
    expect(new Set(answers.map(({ body }) => body.code))).toEqual(new Set(['WEBHOOK_URL_NOT_ALLOWED']));
    expect(performance.now() - started).toBeLessThan(8_000);
  });

  it('is looked up for administrators of the project only', async () => {
    const [ada, stranger] = [await newUser(), await newUser()];
    const { id } = await newProject(ada);
    const started = performance.now();
    const answer = await webhook(service, stranger, id, `https://${randomUUID()}.slow.test/hook`);
    expect(answer.body.code).toBe('PROJECT_NOT_FOUND');
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

it('receivers of one owner that do not respond hold up no other owner', async () => {
  const silent = await startHttpServer(() => {});
  const receiver = await startReceiver();
  const service = await startService({
    WEBHOOK_ALLOWED_HOSTS: `${silent.host},${receiver.host}`,
    WEBHOOK_POLL_MS: '50',
    WEBHOOK_TIMEOUT_MS: '10000',
    RATE_LIMIT_MAX: '1000000',
  });
  const change = (user: TestUser, id: string) =>
    call(
      'PATCH',
      `/api/v1/projects/${id}`,
      { token: user.token, body: { name: 'Loom' }, headers: { 'if-match': '"1"' } },
      service.url,
    );
  try {
    const [mallory, ada] = [await newUser(), await newUser()];
    const hers = (await newProject(ada)).id;
    await webhook(service, ada, hers, receiver.url);
    for (let project = 0; project < 6; project++) {
      const { id } = await newProject(mallory);
      for (let hook = 0; hook < 5; hook++) await webhook(service, mallory, id, `${silent.url}/${hook}`);
      await change(mallory, id);
    }
    await change(ada, hers);
    // Less than the time that the silent ones are given.
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), { timeout: 5_000 });
  } finally {
    await service.stop();
    await silent.stop();
    await receiver.stop();
  }
});

describe('a connection of the pool that is held', () => {
  const holding = (work: string) =>
    spawnSync(
      process.execPath,
      [
        '--import',
        './test/support/watch-connections.mjs',
        '--input-type=module',
        '--eval',
        `import { AsyncLocalStorage } from 'node:async_hooks';
         import { lookup } from 'node:dns/promises';
         import { request } from 'node:http';
         const held = (globalThis[Symbol.for('service:held-connection')] = new AsyncLocalStorage());
         await held.run({ held: true }, async () => { ${work} }).catch(() => {});`,
      ],
      { encoding: 'utf8' },
    ).status;

  it.each([
    ['a look-up', `await lookup('localhost');`, 70],
    ['a request by fetch', `await fetch('http://127.0.0.1:65000');`, 70],
    ['a request by node:http', `request('http://127.0.0.1:9').on('error', () => {}).end();`, 70],
    ['nothing', '', 0],
  ])('ends a service under test on %s', (_, work, status) => {
    expect(holding(work)).toBe(status);
  });
});
