import { createHmac, createSign, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { toSigningKey } from '../src/auth/signing-keys.js';
import { startService, type TestService } from './support/service.js';
import { SETTINGS } from './support/settings.js';
import { asClient, type Client, PASSWORD, registerTenant } from './support/tenants.js';

let database: TestDatabase;
let service: TestService;
let ada: Client;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
  ada = await registerTenant(service);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const seconds = () => Math.floor(Date.now() / 1_000);

describe('an access token', () => {
  const key = toSigningKey(SETTINGS.JWT_KEYS ?? '');
  const good = () => ({
    sub: ada.userId,
    tid: ada.tenantId,
    role: 'owner',
    iss: ISSUER,
    aud: ISSUER,
    iat: seconds(),
    exp: seconds() + 60,
  });
  let ISSUER: string;
  beforeAll(() => {
    ISSUER = JSON.parse(Buffer.from(ada.accessToken.split('.')[1] ?? '', 'base64url').toString()).iss;
  });

  function sign(claims: object, header: object = {}, signer = key): string {
    const text = `${encode({ alg: 'ES256', typ: 'JWT', kid: signer.kid, ...header })}.${encode(claims)}`;
    const signature = createSign('sha256')
      .update(text)
      .sign({ key: signer.privatePem, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  it('of ours is accepted', async () => {
    expect((await asClient(service, '', { ...ada, accessToken: sign(good()) }).get('/projects')).status).toBe(
      200,
    );
  });

  const { publicPem } = key;
  const forgeries: [string, () => string][] = [
    ['has expired', () => sign({ ...good(), exp: seconds() - 1 })],
    ['is for another audience', () => sign({ ...good(), aud: 'another' })],
    ['has another issuer', () => sign({ ...good(), iss: 'another' })],
    [
      'is signed by another key under our kid',
      () => sign(good(), {}, { ...toSigningKey('1'.repeat(64)), kid: key.kid }),
    ],
    ['is signed by another key under its own kid', () => sign(good(), {}, toSigningKey('1'.repeat(64)))],
    ['names no key', () => sign(good(), { kid: undefined })],
    ['has alg none and no signature', () => `${encode({ alg: 'none', kid: key.kid })}.${encode(good())}.`],
    ['has alg none and our signature', () => sign(good(), { alg: 'none' })],
    [
      'is an HMAC over our public key',
      () => {
        const text = `${encode({ alg: 'HS256', kid: key.kid })}.${encode(good())}`;
        return `${text}.${createHmac('sha256', publicPem).update(text).digest('base64url')}`;
      },
    ],
    ['is cut short', () => sign(good()).slice(0, -10)],
    [
      'has other claims under its signature',
      () => sign(good()).replace(/\.[^.]+\./, `.${encode({ ...good(), tid: randomUUID() })}.`),
    ],
    ['lacks the tenant', () => sign({ ...good(), tid: undefined })],
    ['has a role that there is not', () => sign({ ...good(), role: 'root' })],
    ['is no token', () => 'nonsense'],
    ['is empty', () => ''],
  ];

  it.each(forgeries)('that %s is refused', async (_how, forge) => {
    const { status, headers, body } = await service.get('/projects', { authorization: `Bearer ${forge()}` });
    expect([status, body.status]).toEqual([401, 401]);
    expect(headers.get('content-type')).toContain('application/problem+json');
  });

  it('may be checked by others with the published keys', async () => {
    const { body } = await service.get('/.well-known/jwks.json');
    expect(body.keys).toEqual([key.jwk]);
    expect(JSON.stringify(body)).not.toContain('"d"');
  });
});

it('is needed by every endpoint but those that are meant for everybody', async () => {
  const { body: document } = await service.get('/openapi.json');
  const isPublic = new Set(
    [
      'register',
      'verify-email',
      'login',
      'refresh',
      'logout',
      'switch-tenant',
      'request-password-reset',
      'reset-password',
      'accept-invitation',
    ].map((name) => `/auth/${name}`),
  );
  for (const [path, operations] of Object.entries<object>(document.paths)) {
    for (const method of Object.keys(operations)) {
      const url = path.replaceAll(/\{\w+\}/g, randomUUID());
      const { status } = await service.request(
        method.toUpperCase(),
        url,
        ['get', 'delete'].includes(method) ? undefined : {},
      );
      expect([method, path, status === 401]).toEqual([method, path, !isPublic.has(path)]);
    }
  }
});

describe('log-in', () => {
  it('opens a session of the tenant', async () => {
    const { status, headers, body } = await service.post('/auth/login', {
      email: ada.email.toUpperCase(),
      password: PASSWORD,
    });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ tenantId: ada.tenantId, role: 'owner', expiresIn: 300 });
    const me = await asClient(service, ada.email, body).get('/auth/me');
    expect(me.body).toEqual({
      id: ada.userId,
      email: ada.email,
      name: 'Ada',
      tenantId: ada.tenantId,
      role: 'owner',
    });
  });

  it('answers a wrong password, an unknown address and another’s tenant alike', async () => {
    const answers = [
      await service.post('/auth/login', { email: ada.email, password: 'not the password' }),
      await service.post('/auth/login', { email: 'nobody@example.com', password: PASSWORD }),
      await service.post('/auth/login', { email: ada.email, password: PASSWORD, tenantId: randomUUID() }),
    ].map(({ status, body: { requestId: _, ...body } }) => ({ status, body }));
    expect(answers[0]).toMatchObject({ status: 401, body: { code: 'INVALID_CREDENTIALS' } });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it('is bounded by account through two processes, whatever X-Forwarded-For says', async () => {
    const settings = { RATE_LIMIT_ENABLED: 'true', LOGIN_ATTEMPTS_MAX: '3', RATE_LIMIT_MAX: '1000' };
    const two = await Promise.all([startService(database, settings), startService(database, settings)]);
    const grace = `${randomUUID()}@example.com`;
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const headers = { 'x-forwarded-for': `203.0.113.${attempt}` };
      const answer = await two[attempt % 2]?.post(
        '/auth/login',
        { email: grace, password: 'wrong' },
        headers,
      );
      statuses.push(answer?.status ?? 0);
      if (answer?.status === 429) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429, 429]);
    await Promise.all(two.map(({ stop }) => stop()));
  });

  it('refuses a second registration of an address, and stores passwords as Argon2id', async () => {
    const again = await service.post('/auth/register', {
      email: ada.email,
      password: PASSWORD,
      name: 'x',
      tenantName: 'y',
    });
    expect([again.status, again.body.code]).toEqual([409, 'EMAIL_TAKEN']);
    const client = await database.owner.connect();
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.user_id', $1, true)`, [ada.userId]);
    const { rows } = await client.query('SELECT hash FROM passwords');
    await client.query('ROLLBACK');
    client.release();
    expect(rows[0].hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });
});

describe('a refresh token', () => {
  const refresh = (refreshToken: string) => service.post('/auth/refresh', { refreshToken });
  const logIn = async () =>
    (await service.post('/auth/login', { email: ada.email, password: PASSWORD })).body;

  it('is exchanged for another', async () => {
    const session = await logIn();
    const { status, body } = await refresh(session.refreshToken);
    expect(status).toBe(200);
    expect(body.refreshToken).not.toBe(session.refreshToken);
    expect((await asClient(service, ada.email, body).get('/projects')).status).toBe(200);
  });

  /** Makes the grace period of a used token end now. */
  const endGrace = async () => {
    const client = await database.owner.connect();
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [ada.tenantId]);
    await client.query(`UPDATE refresh_tokens SET used_at = used_at - interval '10 seconds'`);
    await client.query('COMMIT');
    client.release();
  };

  it('that is used twice after the grace period ends all tokens of its log-in, and no other', async () => {
    const [stolen, other] = [await logIn(), await logIn()];
    const { body: next } = await refresh(stolen.refreshToken);
    await endGrace();
    expect((await refresh(stolen.refreshToken)).status).toBe(401);
    const { status, body } = await refresh(next.refreshToken);
    expect([status, body.code]).toEqual([401, 'INVALID_TOKEN']);
    expect((await refresh(other.refreshToken)).status).toBe(200);
  });

  it('gives one successor when it comes ten times at once', async () => {
    const session = await logIn();
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(session.refreshToken)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
    expect((await refresh(answers[0]?.body.refreshToken)).status).toBe(200);
  });

  it('gives nothing within the grace period if the session has ended', async () => {
    const session = await logIn();
    const { body: next } = await refresh(session.refreshToken);
    await service.post('/auth/logout', { refreshToken: next.refreshToken });
    for (const token of [session.refreshToken, next.refreshToken])
      expect((await refresh(token)).status).toBe(401);
  });

  it('ends with log-out, which tells nobody whether there was such a token', async () => {
    const session = await logIn();
    expect((await service.post('/auth/logout', { refreshToken: session.refreshToken })).status).toBe(204);
    expect((await refresh(session.refreshToken)).status).toBe(401);
    expect((await service.post('/auth/logout', { refreshToken: 'unknown' })).status).toBe(204);
  });

  it('that nobody made is refused', async () => {
    expect((await refresh('nonsense')).status).toBe(401);
  });
});

it('accepts an access token after log-out no longer than it lasts', async () => {
  const shortLived = await startService(database, { ACCESS_TOKEN_TTL_SECONDS: '1' });
  const { body } = await shortLived.post('/auth/login', { email: ada.email, password: PASSWORD });
  await shortLived.post('/auth/logout', { refreshToken: body.refreshToken });
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  const { status } = await shortLived.get('/projects', { authorization: `Bearer ${body.accessToken}` });
  await shortLived.stop();
  expect(status).toBe(401);
});

it('lets only admins and owners do what is for admins', async () => {
  const { body: created } = await ada.post('/projects', { name: 'Guarded' });
  const client = await database.owner.connect();
  await client.query('BEGIN');
  await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [ada.tenantId]);
  await client.query(`UPDATE memberships SET role = 'member'`);
  await client.query('COMMIT');
  const { body: session } = await service.post('/auth/login', { email: ada.email, password: PASSWORD });
  const member = asClient(service, ada.email, session);
  const refused = await member.remove(`/projects/${created.id}`, 1);
  expect([refused.status, refused.body.code]).toEqual([403, 'FORBIDDEN']);
  expect((await member.get(`/projects/${created.id}`)).status).toBe(200);
  await client.query('BEGIN');
  await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [ada.tenantId]);
  await client.query(`UPDATE memberships SET role = 'admin'`);
  await client.query('COMMIT');
  client.release();
  const { body: promoted } = await service.post('/auth/login', { email: ada.email, password: PASSWORD });
  expect((await asClient(service, ada.email, promoted).remove(`/projects/${created.id}`, 1)).status).toBe(
    204,
  );
});
