import { spawnSync } from 'node:child_process';
import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { addMember, call, newProject, newUser, type TestUser } from '../support/api';
import { connectOwner } from '../support/database';
import { startReceiver } from '../support/receiver';
import { type Service, startService } from '../support/service';

const KEY = 'e'.repeat(64);
const NEW_KEY = 'f'.repeat(64);

let receiver: Awaited<ReturnType<typeof startReceiver>>;
let service: Service;
let owner: pg.Pool;
let user: TestUser;
let projectId: string;
let version: number;

const settings = () => ({
  WEBHOOK_ALLOWED_HOSTS: receiver.host,
  WEBHOOK_POLL_MS: '50',
  WEBHOOK_RETRY_SECONDS: '0.1',
  RATE_LIMIT_MAX: '1000000',
});

beforeAll(async () => {
  receiver = await startReceiver();
  owner = connectOwner();
  service = await startService(settings());
  return async () => {
    await service.stop();
    await receiver.stop();
    await owner.end();
  };
});

beforeEach(async () => {
  receiver.reset();
  user = await newUser();
  ({ id: projectId, version } = await newProject(user));
});

const send = (method: string, path = '', body?: object, as = user) =>
  call(method, `/api/v1/projects/${projectId}/webhooks${path}`, { token: as.token, body }, service.url);

async function newWebhook(input: object = {}) {
  const { status, body } = await send('POST', '', {
    url: `${receiver.url}/hook`,
    eventTypes: ['project.updated'],
    ...input,
  });
  if (status !== 201) throw new Error(`creating a webhook answered ${status}: ${JSON.stringify(body)}`);
  return body.data;
}

async function changeProject(): Promise<void> {
  const answer = await call(
    'PATCH',
    `/api/v1/projects/${projectId}`,
    { token: user.token, body: { name: 'Loom' }, headers: { 'if-match': `"${version++}"` } },
    service.url,
  );
  expect(answer.status).toBe(200);
}

const messages = (count: number) =>
  vi.waitFor(() => expect(receiver.received.length).toBeGreaterThanOrEqual(count), { timeout: 15_000 });

const deliveries = async (id: string) => (await send('GET', `/${id}/deliveries`)).body.data;

const settled = (id: string, state: string) =>
  vi.waitFor(async () => expect((await deliveries(id))[0]).toMatchObject({ state }), { timeout: 15_000 });

describe('a webhook', () => {
  it('tells of a change, signed as Standard Webhooks has it', async () => {
    const { id, secret } = await newWebhook();
    await changeProject();
    await messages(1);
    const [message] = receiver.received as [(typeof receiver.received)[number]];
    expect(receiver.verify(secret, message)).toMatchObject({
      type: 'project.updated',
      data: { projectId, version: 2, name: 'Loom' },
    });
    expect(() => receiver.verify(secret, { ...message, body: `${message.body} ` })).toThrow();
    await settled(id, 'delivered');
    expect(await deliveries(id)).toMatchObject([
      { id: message.headers['webhook-id'], attempts: 1, lastStatus: 204, lastError: null },
    ]);
  });

  it('tells of no role that stays what it is', async () => {
    const { id } = await newWebhook({ eventTypes: ['member.added', 'member.changed'] });
    const member = await newUser();
    const path = `/api/v1/projects/${projectId}/members`;
    const as = { token: user.token };
    await call('POST', path, { ...as, body: { userId: member.id, role: 'viewer' } });
    for (const role of ['viewer', 'viewer', 'editor']) {
      await call('PATCH', `${path}/${member.id}`, { ...as, body: { role } });
    }
    const types = (await deliveries(id)).map(({ eventType }: { eventType: string }) => eventType);
    expect(types).toEqual(['member.changed', 'member.added']);
    await messages(2); // or the next test receives them
  });

  it('tells of members, and of nothing that it was not made for', async () => {
    const { secret } = await newWebhook({ eventTypes: ['member.added', 'member.removed'] });
    const member = await newUser();
    await changeProject();
    await addMember(user, projectId, member.id, 'viewer');
    await call(
      'DELETE',
      `/api/v1/projects/${projectId}/members/${member.id}`,
      { token: user.token },
      service.url,
    );
    await messages(2);
    const told = receiver.received.map((message) => receiver.verify(secret, message) as { type: string });
    expect(told.map(({ type }) => type).toSorted()).toEqual(['member.added', 'member.removed']);
  });

  it('shows its secret once, and what is stored of it is encrypted', async () => {
    const { id, secret } = await newWebhook();
    expect(secret).toMatch(/^whsec_[\w+/]{43}=$/);
    expect(JSON.stringify((await send('GET')).body)).not.toContain('secret');
    expect((await send('GET', `/${id}`)).body.data).not.toHaveProperty('secret');
    const { rows } = await owner.query('SELECT secret FROM webhook_endpoints WHERE id = $1', [id]);
    expect(rows[0].secret).toMatch(/^v1\.[0-9a-f]{8}\./);
    expect(rows[0].secret).not.toContain(secret.slice('whsec_'.length));
  });

  it('signs with the new secret from the moment at which it is replaced', async () => {
    const { id, secret } = await newWebhook();
    const replaced = (await send('POST', `/${id}/secret`)).body.data.secret;
    expect(replaced).not.toBe(secret);
    await vi.waitFor(async () => {
      const { rows } = await owner.query(
        `SELECT event_type FROM security_events WHERE metadata ->> 'webhookId' = $1 ORDER BY event_type`,
        [id],
      );
      expect(rows.map(({ event_type }) => event_type)).toEqual([
        'webhook.created',
        'webhook.secret_replaced',
      ]);
    });
    await changeProject();
    await messages(1);
    const [message] = receiver.received as [(typeof receiver.received)[number]];
    expect(() => receiver.verify(secret, message)).toThrow();
    expect(receiver.verify(replaced, message)).toBeTruthy();
  });

  it('does not sign with a secret that was moved to it from another one', async () => {
    const [mine, theirs] = [await newWebhook(), await newWebhook({ eventTypes: ['member.added'] })];
    await owner.query(
      'UPDATE webhook_endpoints SET secret = (SELECT secret FROM webhook_endpoints WHERE id = $2) WHERE id = $1',
      [mine.id, theirs.id],
    );
    await changeProject();
    await vi.waitFor(async () =>
      expect((await deliveries(mine.id))[0].lastError).toBe('its secret cannot be read; replace it'),
    );
    expect(receiver.received).toEqual([]);
    await send('DELETE', `/${mine.id}`);
  });

  it('is for administrators of its project', async () => {
    const { id } = await newWebhook();
    const editor = await newUser();
    await addMember(user, projectId, editor.id, 'editor');
    const stranger = await newUser();
    for (const [who, code] of [
      [editor, 'FORBIDDEN'],
      [stranger, 'PROJECT_NOT_FOUND'],
    ] as const) {
      const input = { url: `${receiver.url}/hook`, eventTypes: ['project.updated'] };
      expect((await send('GET', '', undefined, who)).body.code).toBe(code);
      expect((await send('POST', '', input, who)).body.code).toBe(code);
      expect((await send('GET', `/${id}`, undefined, who)).body.code).toBe(code);
      expect((await send('PATCH', `/${id}`, { enabled: false }, who)).body.code).toBe(code);
      expect((await send('DELETE', `/${id}`, undefined, who)).body.code).toBe(code);
      expect((await send('GET', `/${id}/deliveries`, undefined, who)).body.code).toBe(code);
      expect((await send('POST', `/${id}/secret`, undefined, who)).body.code).toBe(code);
    }
    const elsewhere = await newProject(user);
    const path = `/api/v1/projects/${elsewhere.id}/webhooks/${id}`;
    expect((await call('GET', path, { token: user.token }, service.url)).body.code).toBe('WEBHOOK_NOT_FOUND');
  });

  it('is read without a lock on the membership', async () => {
    const { id } = await newWebhook();
    const change = await owner.connect();
    try {
      await change.query('BEGIN');
      await change.query('SELECT FROM project_members WHERE project_id = $1 FOR UPDATE', [projectId]);
      for (const path of ['', `/${id}`, `/${id}/deliveries`])
        expect((await send('GET', path)).status).toBe(200);
    } finally {
      await change.query('ROLLBACK');
      change.release();
    }
  });

  it('can be changed and removed', async () => {
    const { id } = await newWebhook();
    const changed = await send('PATCH', `/${id}`, { description: 'CI', enabled: false });
    expect(changed.body.data).toMatchObject({ description: 'CI', enabled: false });
    await changeProject();
    expect(await deliveries(id)).toEqual([]);
    expect((await send('DELETE', `/${id}`)).status).toBe(204);
    expect((await send('GET', `/${id}`)).body.code).toBe('WEBHOOK_NOT_FOUND');
  });
});

describe('a receiver that fails', () => {
  it('is sent the same message again, ever later', async () => {
    const { id, secret } = await newWebhook();
    receiver.reply({ status: 500 }, { status: 429 });
    await changeProject();
    await messages(3);
    await settled(id, 'delivered');
    expect((await deliveries(id))[0]).toMatchObject({ attempts: 3, lastStatus: 204 });
    const [one, two, three] = receiver.received as [
      (typeof receiver.received)[number],
      (typeof receiver.received)[number],
      (typeof receiver.received)[number],
    ];
    expect(new Set([one, two, three].map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(two.at - one.at).toBeGreaterThanOrEqual(100);
    expect(three.at - two.at).toBeGreaterThanOrEqual(400);
    expect(receiver.verify(secret, three)).toBeTruthy();
  });

  it('is left alone for as long as it asks', async () => {
    const { id } = await newWebhook();
    receiver.reply({ status: 503, headers: { 'retry-after': '2' } });
    await changeProject();
    await messages(2);
    const [one, two] = receiver.received as [
      (typeof receiver.received)[number],
      (typeof receiver.received)[number],
    ];
    expect(two.at - one.at).toBeGreaterThanOrEqual(1_900);
    await settled(id, 'delivered');
  });

  it('is disabled after too many failures in a row, and hears of it all when it is enabled again', async () => {
    const { id } = await newWebhook();
    await owner.query('UPDATE webhook_endpoints SET failures = 15 WHERE id = $1', [id]);
    receiver.reply({ status: 500 });
    await changeProject();
    await vi.waitFor(async () => expect((await send('GET', `/${id}`)).body.data.enabled).toBe(false));
    await changeProject();
    expect(receiver.received).toHaveLength(1);
    const enabled = await send('PATCH', `/${id}`, { enabled: true });
    expect(enabled.body.data).toMatchObject({ enabled: true, failures: 0 });
    await settled(id, 'delivered');
  });

  it('that is gone for good is disabled at once', async () => {
    const { id } = await newWebhook();
    receiver.reply({ status: 410 });
    await changeProject();
    await vi.waitFor(async () => expect((await send('GET', `/${id}`)).body.data.enabled).toBe(false));
  });

  it('is not followed where it redirects to', async () => {
    const { id } = await newWebhook();
    receiver.reply({ status: 307, headers: { location: `${receiver.url}/elsewhere` } });
    await changeProject();
    await messages(2);
    await settled(id, 'delivered');
    expect(new Set(receiver.received.map(({ path }) => path))).toEqual(new Set(['/hook']));
  });
});

describe('a URL that leads to what is not public', () => {
  it.each([
    'https://127.0.0.1/',
    'https://localhost/',
    'https://[::1]/',
    'https://[::ffff:7f00:1]/',
    'https://0.0.0.0/',
    'https://2130706433/',
    'https://10.1.2.3/',
    'https://172.16.0.1/',
    'https://192.168.1.1/',
    'https://100.64.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://[fe80::1]/',
    'https://[fd00:ec2::254]/',
    'https://ada:secret@example.com/',
    'http://example.com/',
  ])('is refused: %s', async (url) => {
    const answer = await send('POST', '', { url, eventTypes: ['project.updated'] });
    expect(answer).toMatchObject({ status: 422, body: { code: 'WEBHOOK_URL_NOT_ALLOWED' } });
  });

  it('without TLS is not called, as those of earlier releases are', async () => {
    const { id } = await newWebhook();
    await owner.query(`UPDATE webhook_endpoints SET url = 'http://8.8.8.8/hook' WHERE id = $1`, [id]);
    await changeProject();
    await vi.waitFor(async () =>
      expect((await deliveries(id))[0].lastError).toBe('it must begin with https://'),
    );
    await send('DELETE', `/${id}`);
  });

  it('since it was stored is not called', async () => {
    const { id } = await newWebhook();
    const trap = await startReceiver();
    await owner.query('UPDATE webhook_endpoints SET url = $2 WHERE id = $1', [id, `${trap.url}/hook`]);
    await changeProject();
    await vi.waitFor(async () =>
      expect((await deliveries(id))[0].lastError).toBe('it leads to an address that is not public'),
    );
    expect(trap.received).toEqual([]);
    await trap.stop();
    await send('DELETE', `/${id}`);
  });
});

it('any number of processes deliver each message once', async () => {
  const other = await startService(settings());
  const { id } = await newWebhook();
  for (let change = 0; change < 20; change++) await changeProject();
  await messages(20);
  await vi.waitFor(async () => {
    const all = await deliveries(id);
    expect(all.filter(({ state }: { state: string }) => state === 'delivered')).toHaveLength(20);
  });
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(20);
  expect(receiver.received).toHaveLength(20);
  await other.stop();
});

it('a rotation of the key keeps secrets readable, and encrypts them with the new one', async () => {
  const { id, secret } = await newWebhook();
  const keyIdOf = async () => {
    const { rows } = await owner.query('SELECT secret FROM webhook_endpoints WHERE id = $1', [id]);
    return rows[0].secret.split('.')[1];
  };
  const before = await keyIdOf();
  const both = { ENCRYPTION_KEYS: `${NEW_KEY},${KEY}` };
  const { status, stdout } = spawnSync(process.execPath, ['dist/server/rotate-keys.js'], {
    env: { ...process.env, NODE_ENV: 'production', ...both },
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([expect.any(Number), expect.stringMatching(/^keys: encrypted [1-9]/)]);
  expect(await keyIdOf()).not.toBe(before);
  await service.stop();
  service = await startService({ ...settings(), ENCRYPTION_KEYS: NEW_KEY });
  await changeProject();
  await messages(1);
  expect(receiver.verify(secret, receiver.received[0] as (typeof receiver.received)[number])).toBeTruthy();
});
