import { afterAll, afterEach, beforeAll, describe, expect, it } from 'bun:test';
import { ProviderName } from '@app/shared';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Answer, settings, startService, type TestService } from '../support/service.js';
import { startUpstream, type Upstream } from '../support/upstream.js';
import { signUp, type TestUser } from '../support/users.js';

const CANARY = 'sk-canary-0123456789-WXYZ';

let database: TestDatabase;
let upstream: Upstream;
let service: TestService;
let ada: TestUser;
let eve: TestUser;

/** Settings that lead every provider to the fake one. */
const gateways = (url: string, host: string) => ({
  ANTHROPIC_BASE_URL: `${url}/v1`,
  GOOGLE_BASE_URL: `${url}/v1beta`,
  OPENAI_BASE_URL: `${url}/v1`,
  PROVIDER_ALLOWED_HOSTS: host,
});

beforeAll(async () => {
  database = await createDatabase();
  upstream = startUpstream();
  service = await startService(database, gateways(upstream.url, upstream.host));
  ada = await signUp(service);
  eve = await signUp(service);
});

afterEach(() => upstream.reset());

afterAll(async () => {
  await service.stop();
  await upstream.stop();
  await database.drop();
});

/** What is needed to store a key of a provider. */
const given = (provider: string) => ({
  provider,
  label: `mine, ${crypto.randomUUID()}`,
  apiKey: CANARY,
  ...(provider === 'openai-compatible' && { baseUrl: `${upstream.url}/v1` }),
});

const NAME = ProviderName.options[0] as string;
const create = (changes: object = {}, user = ada) =>
  service.post('/providers', { ...given(NAME), ...changes }, user.auth);

describe('a stored key', () => {
  it('is shown masked, and is nowhere in the database', async () => {
    const { status, body, headers } = await create();
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/providers/${body.id}`);
    expect(Object.keys(body).sort()).toEqual([
      'baseUrl',
      'createdAt',
      'defaultModel',
      'id',
      'label',
      'lastFour',
      'position',
      'provider',
      'updatedAt',
    ]);
    expect(body.lastFour).toBe('WXYZ');
    const answers = [
      body,
      (await service.get('/providers', ada.auth)).body,
      (await service.get(`/providers/${body.id}`, ada.auth)).body,
    ];
    expect(JSON.stringify(answers)).not.toContain('canary');
    expect(JSON.stringify(answers)).not.toContain('v1.');
    const { rows } = await database.owner.query('SELECT t::text AS row, secret FROM provider_keys t');
    for (const { row, secret } of rows) {
      expect(row).not.toContain('canary');
      expect(secret).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]{16}\.[\w-]{22}\.[\w-]+$/);
    }
  });

  it('that is short is masked altogether', async () => {
    expect((await create({ apiKey: 'ollama' })).body.lastFour).toBe('');
  });

  it('has a label that no other key of the same user has', async () => {
    const label = crypto.randomUUID();
    expect((await create({ label })).status).toBe(201);
    const { status, body } = await create({ label });
    expect([status, body.code]).toEqual([409, 'CONFLICT']);
    expect((await create({ label }, await signUp(service))).status).toBe(201);
  });

  it('is one of 50 at most, also if more are stored at the same time', async () => {
    const user = await signUp(service);
    const answers = await Promise.all(Array.from({ length: 60 }, () => create({}, user)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
    expect(answers.filter(({ body }) => body.code === 'TOO_MANY_PROVIDER_KEYS')).toHaveLength(10);
    expect((await service.get('/providers', user.auth)).body.data).toHaveLength(50);
  });

  it('can be renamed, replaced and deleted', async () => {
    const { id } = (await create()).body;
    const renamed = await service.patch(`/providers/${id}`, { label: 'work', position: 3 }, ada.auth);
    expect([renamed.body.label, renamed.body.position]).toEqual(['work', 3]);
    const before = (await database.owner.query('SELECT secret FROM provider_keys WHERE id = $1', [id]))
      .rows[0].secret;
    const replaced = await service.post(
      `/providers/${id}/rotate`,
      { apiKey: 'sk-another-key-0000-ABCD' },
      ada.auth,
    );
    expect([replaced.status, replaced.body.lastFour]).toEqual([200, 'ABCD']);
    const after = (await database.owner.query('SELECT secret FROM provider_keys WHERE id = $1', [id])).rows[0]
      .secret;
    expect(after).not.toBe(before);
    expect((await service.delete(`/providers/${id}`, ada.auth)).status).toBe(204);
    expect((await service.get(`/providers/${id}`, ada.auth)).body.code).toBe('PROVIDER_KEY_NOT_FOUND');
  });

  it.each([
    ['an unknown provider', { provider: 'nobody' }],
    ['a key with a line break', { apiKey: 'sk-\r\nx' }],
    ['no key', { apiKey: '' }],
    ['an unknown member', { userId: crypto.randomUUID() }],
    ['the ciphertext', { secret: 'v1.a.b.c.d' }],
  ])('is refused with %s', async (_, changes) => {
    const { status, body } = await create(changes);
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(JSON.stringify(body)).not.toContain('sk-');
  });

  it('belongs to its user: for anybody else it is as if it were not there', async () => {
    const { id } = (await create()).body;
    const requests: [string, string, object?][] = [
      ['GET', ''],
      ['PATCH', '', { label: 'stolen' }],
      ['POST', '/rotate', { apiKey: 'sk-eve' }],
      ['POST', '/test', { model: 'm' }],
      ['DELETE', ''],
    ];
    for (const [method, path, body] of requests) {
      const ask = (which: string): Promise<Answer> =>
        service.request(method, `/providers/${which}${path}`, body, { ...eve.auth, 'x-request-id': 'same' });
      const [foreign, unknown] = [await ask(id), await ask(crypto.randomUUID())];
      expect(foreign.status).toBe(404);
      const { instance: _one, ...told } = foreign.body;
      const { instance: _two, ...expected } = unknown.body;
      expect(told).toEqual(expected);
    }
    expect((await service.get('/providers', eve.auth)).body.data).toEqual([]);
    expect((await service.get(`/providers/${id}`, ada.auth)).body.label).toStartWith('mine');
    expect(upstream.requests).toEqual([]);
  });

  it('cannot be stored or changed by a program, which may only use it', async () => {
    const { key } = (await service.post('/api/auth/api-key/create', { name: 'a' }, ada.auth)).body;
    expect((await service.get('/providers', { 'x-api-key': key })).status).toBe(200);
    expect((await service.post('/providers', given(NAME), { 'x-api-key': key })).body.code).toBe(
      'SESSION_REQUIRED',
    );
  });

  it('that was moved to another user’s row does not decrypt, and nobody is called', async () => {
    const [mine, hers] = [(await create()).body.id, (await create({}, eve)).body.id];
    await database.owner.query(
      'UPDATE provider_keys SET secret = (SELECT secret FROM provider_keys WHERE id = $1) WHERE id = $2',
      [mine, hers],
    );
    const { status, body } = await service.post(`/providers/${hers}/test`, { model: 'm' }, eve.auth);
    expect([status, body.code]).toEqual([409, 'PROVIDER_KEY_UNREADABLE']);
    expect(upstream.requests).toEqual([]);
  });
});

const TAKES_URLS = (ProviderName.options as readonly string[]).includes('openai-compatible');

describe.if(TAKES_URLS)('the base URL of an OpenAI-compatible server', () => {
  it.each([
    'http://127.0.0.1:1/v1',
    'http://169.254.169.254/v1',
    'http://[::ffff:10.0.0.1]/v1',
    'http://localhost/v1',
  ])('cannot be %s', async (baseUrl) => {
    const { status, body } = await create({ ...given('openai-compatible'), baseUrl });
    expect([status, body.code]).toEqual([422, 'BASE_URL_NOT_ALLOWED']);
  });

  it('is needed, and only there', async () => {
    const { baseUrl: _, ...without } = given('openai-compatible') as { baseUrl?: string };
    expect((await service.post('/providers', without, ada.auth)).body.errors[0].pointer).toBe('/baseUrl');
  });

  it('is checked at every call: one that has become private meanwhile is not called', async () => {
    const { id } = (await create(given('openai-compatible'))).body;
    await database.owner.query('UPDATE provider_keys SET base_url = $1 WHERE id = $2', [
      'http://127.0.0.1:9/v1',
      id,
    ]);
    const { status, body } = await service.post(`/providers/${id}/test`, { model: 'm' }, ada.auth);
    expect([status, body.code]).toEqual([422, 'BASE_URL_NOT_ALLOWED']);
  });
});

describe('testing a connection', () => {
  it.each(ProviderName.options)(
    'asks a model of %s through its own protocol, with the key',
    async (provider) => {
      const { id } = (await service.post('/providers', given(provider), ada.auth)).body;
      const { status, body } = await service.post(`/providers/${id}/test`, { model: 'some-model' }, ada.auth);
      expect(status).toBe(200);
      expect(body.latencyMs).toBeGreaterThanOrEqual(0);
      const [request] = upstream.requests;
      expect(JSON.stringify([...(request?.headers ?? [])])).toContain(CANARY);
    },
  );

  it.each([
    [401, 422, 'PROVIDER_KEY_REJECTED'],
    [403, 422, 'PROVIDER_KEY_REJECTED'],
    [404, 422, 'MODEL_NOT_FOUND'],
    [400, 422, 'PROVIDER_REFUSED'],
    [429, 429, 'PROVIDER_RATE_LIMITED'],
    [500, 502, 'PROVIDER_UNAVAILABLE'],
    [503, 502, 'PROVIDER_UNAVAILABLE'],
  ])('says what a provider means that answers %d', async (answer, status, code) => {
    const { id } = (await create()).body;
    upstream.usual = { status: answer, headers: { 'retry-after': '7' } };
    const told = await service.post(`/providers/${id}/test`, { model: 'm' }, ada.auth);
    expect([told.status, told.body.code]).toEqual([status, code]);
    if (answer === 429) expect(told.headers.get('retry-after')).toBe('7');
    // The provider has repeated the key in its answer.
    expect(JSON.stringify(told.body)).not.toContain('canary');
    expect(upstream.requests).toHaveLength(1);
  });

  it('does not follow a redirect, which could carry the key away', async () => {
    const { id } = (await create()).body;
    upstream.usual = { status: 307, headers: { location: `${upstream.url}/elsewhere/chat/completions` } };
    const { status } = await service.post(`/providers/${id}/test`, { model: 'm' }, ada.auth);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('rotating the encryption key', () => {
  const [OLD, NEW] = ['b'.repeat(64), 'c'.repeat(64)];

  function rotate(keys: string, changes: Record<string, string> = {}) {
    const env = { PATH: process.env.PATH, ...settings(database), ENCRYPTION_KEYS: keys, ...changes };
    const cli = new URL('../../src/modules/providers/rotate.cli.ts', import.meta.url).pathname;
    return Bun.spawnSync([process.execPath, cli], { env, cwd: '/tmp' });
  }

  it('rewrites every secret, can run again, and lets the old key go', async () => {
    await create();
    const unreadable = (await database.owner.query(`SELECT count(*)::int AS n FROM provider_keys`)).rows[0].n;
    expect(unreadable).toBeGreaterThan(1);
    // The row that an earlier test has moved cannot be read by anybody.
    await database.owner.query('DELETE FROM provider_keys WHERE user_id = $1', [eve.id]);
    const first = rotate(`${NEW},${OLD}`);
    expect(first.stdout.toString()).toMatch(/^keys: encrypted [1-9]\d* anew; 0 could not be read/);
    expect(first.exitCode).toBe(0);
    expect(rotate(`${NEW},${OLD}`).stdout.toString()).toContain('encrypted 0 anew');

    const after = await startService(database, {
      ENCRYPTION_KEYS: NEW,
      ...gateways(upstream.url, upstream.host),
    });
    try {
      const { body } = await after.get('/providers', ada.auth);
      for (const { id, lastFour, baseUrl } of body.data) {
        if (lastFour !== 'WXYZ' || baseUrl?.endsWith(':9/v1')) continue;
        expect((await after.post(`/providers/${id}/test`, { model: 'm' }, ada.auth)).status).toBe(200);
      }
    } finally {
      await after.stop();
    }
  });

  it('tells of a secret that somebody is changing meanwhile, and fails', async () => {
    const changing = await database.owner.connect();
    await changing.query('BEGIN');
    await changing.query('SELECT FROM provider_keys LIMIT 1 FOR UPDATE');
    const first = rotate(`${OLD},${NEW}`);
    await changing.query('COMMIT');
    changing.release();
    expect(first.stdout.toString()).toContain('keys: 1 were being changed; run this again');
    expect(first.exitCode).toBe(1);
    const second = rotate(`${OLD},${NEW}`);
    expect(second.stdout.toString()).toBe(
      'keys: encrypted 1 anew; 0 could not be read and stay as they are\n',
    );
    expect(second.exitCode).toBe(0);
  });

  it('takes keys that were made for development, unless it is told that this is production', () => {
    const keys = `dev_${'e'.repeat(64)},${OLD},${NEW}`;
    expect(rotate(keys, { NODE_ENV: '' }).stderr.toString()).toBe('');
    expect(rotate(keys, { NODE_ENV: 'production' }).stderr.toString()).toContain('made for development');
  });

  it('leaves what it cannot read as it is, names it in the log, and fails', async () => {
    await create();
    const before = (await database.owner.query('SELECT id, secret FROM provider_keys ORDER BY id')).rows;
    const { exitCode, stdout } = rotate('d'.repeat(64), { LOG_LEVEL: 'error' });
    expect(exitCode).toBe(1);
    expect(stdout.toString()).toContain(`"providerKeyId":"${before[0].id}"`);
    expect((await database.owner.query('SELECT id, secret FROM provider_keys ORDER BY id')).rows).toEqual(
      before,
    );
  });
});
