import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { call, newUser, type TestUser } from '../support/api';
import { connectOwner } from '../support/database';
import { startHttpServer } from '../support/http-server';
import { type Service, startService } from '../support/service';

const SETTINGS = {
  TRUST_PROXY: 'true',
  LOGIN_ATTEMPTS_MAX: '5',
  LOGIN_ATTEMPTS_NETWORK_MAX: '20',
  LOGIN_ATTEMPTS_ACCOUNT_MAX: '12',
};

let service: Service;
let owner: pg.Pool;
let user: TestUser;

beforeAll(async () => {
  owner = connectOwner();
  service = await startService({ ...SETTINGS, OTEL_SERVICE_NAME: `limits-${randomUUID()}` });
  return async () => {
    await service.stop();
    await owner.end();
  };
});

beforeEach(async () => {
  user = await newUser();
});

const octet = () => Math.floor(Math.random() * 254) + 1;
/** An address that no other test uses. */
const newAddress = () => `10.${octet()}.${octet()}.${octet()}`;

function signIn(from: string, password: string, email = user.email, base = service.url) {
  return call(
    'POST',
    '/api/v1/auth/sign-in',
    { body: { email, password }, headers: { 'x-forwarded-for': from } },
    base,
  );
}

async function fail(times: number, from: string | (() => string), email?: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let attempt = 0; attempt < times; attempt++) {
    const address = typeof from === 'string' ? from : from();
    statuses.push((await signIn(address, 'wrong', email)).status);
  }
  return statuses;
}

describe('failed logins', () => {
  it('of a client with an account are limited, and say when to come back', async () => {
    const from = newAddress();
    expect(await fail(6, from)).toEqual([401, 401, 401, 401, 401, 429]);
    const refused = await signIn(from, user.password);
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(refused.headers.get('ratelimit-policy')).toBe('"sign-in";q=5;w=900');
  });

  it('of a stranger lock out neither the owner nor the office', async () => {
    const office = newAddress();
    await fail(6, office);
    const colleague = await newUser();
    expect((await signIn(office, colleague.password, colleague.email)).status).toBe(200);
    expect((await signIn(newAddress(), user.password)).status).toBe(200);
  });

  it('end with a success, which itself counts for nothing', async () => {
    const from = newAddress();
    for (let round = 0; round < 3; round++) {
      expect(await fail(4, from)).toEqual([401, 401, 401, 401]);
      expect((await signIn(from, user.password)).status).toBe(200);
    }
    for (let login = 0; login < 25; login++) expect((await signIn(from, user.password)).status).toBe(200);
    const together = await Promise.all(Array.from({ length: 15 }, () => signIn(from, user.password)));
    expect(new Set(together.map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('at the same moment are bounded as well', async () => {
    const from = newAddress();
    const answers = await Promise.all(Array.from({ length: 60 }, () => signIn(from, 'wrong')));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
  });

  it('of a network over all accounts are limited', async () => {
    const from = newAddress();
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 25; attempt++) {
      statuses.push((await signIn(from, 'wrong', `${randomUUID()}@example.com`)).status);
    }
    expect(statuses.filter((status) => status === 401)).toHaveLength(20);
  });

  it('of one IPv6 network count as those of one client', async () => {
    const network = `2001:db8:${octet().toString(16)}:${octet().toString(16)}`;
    let host = 0;
    const statuses = await fail(8, () => `${network}::${++host}`);
    expect(statuses.filter((status) => status === 401)).toHaveLength(5);
  });

  it('from many networks leave the owner the networks known from logins', async () => {
    const home = newAddress();
    expect((await signIn(home, user.password)).status).toBe(200);
    const statuses = await fail(14, newAddress);
    expect(statuses.filter((status) => status === 401)).toHaveLength(12);
    expect((await signIn(newAddress(), user.password)).status).toBe(429);
    expect((await signIn(home, user.password)).status).toBe(200);
  });

  it('use the spelling of an address for nothing', async () => {
    const from = newAddress();
    await fail(3, from, user.email.toUpperCase());
    await fail(2, from);
    expect((await signIn(from, user.password)).status).toBe(429);
  });

  it('lock out for longer each time', async () => {
    const quick = await startService({
      ...SETTINGS,
      LOGIN_ATTEMPTS_MAX: '1',
      LOGIN_ATTEMPTS_WINDOW_SECONDS: '1',
      OTEL_SERVICE_NAME: `limits-${randomUUID()}`,
    });
    try {
      const from = newAddress();
      const wait = async () =>
        Number((await signIn(from, 'wrong', user.email, quick.url)).headers.get('retry-after'));
      await signIn(from, 'wrong', user.email, quick.url);
      expect(await wait()).toBe(1);
      await vi.waitFor(
        async () => expect((await signIn(from, 'wrong', user.email, quick.url)).status).toBe(401),
        { timeout: 3_000, interval: 50 },
      );
      expect(await wait()).toBe(2);
    } finally {
      await quick.stop();
    }
  });

  it('with a refresh token are limited by network', async () => {
    const from = newAddress();
    const refresh = (refreshToken: string, address = from) =>
      call(
        'POST',
        '/api/v1/auth/refresh',
        { body: { refreshToken }, headers: { 'x-forwarded-for': address } },
        service.url,
      );
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 22; attempt++) statuses.push((await refresh(randomUUID())).status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(20);
    expect((await refresh(user.refreshToken, newAddress())).status).toBe(200);
  });

  it('with refresh tokens lock an office out for no longer than the window, however often', async () => {
    const quick = await startService({
      ...SETTINGS,
      LOGIN_ATTEMPTS_MAX: '1',
      LOGIN_ATTEMPTS_NETWORK_MAX: '1',
      LOGIN_ATTEMPTS_WINDOW_SECONDS: '1',
      OTEL_SERVICE_NAME: `limits-${randomUUID()}`,
    });
    try {
      const from = newAddress();
      const refresh = () =>
        call(
          'POST',
          '/api/v1/auth/refresh',
          { body: { refreshToken: randomUUID() }, headers: { 'x-forwarded-for': from } },
          quick.url,
        );
      for (let round = 0; round < 3; round++) {
        await vi.waitFor(async () => expect((await refresh()).status).toBe(401), {
          timeout: 3_000,
          interval: 50,
        });
        expect((await refresh()).headers.get('retry-after')).toBe('1');
      }
    } finally {
      await quick.stop();
    }
  });

  it('from many networks leave the owner the network of the sign-up', async () => {
    const home = newAddress();
    const body = { email: `${randomUUID()}@example.com`, password: 'correct horse battery' };
    const headers = { 'x-forwarded-for': home };
    expect((await call('POST', '/api/v1/auth/sign-up', { body, headers }, service.url)).status).toBe(201);
    const statuses = await fail(13, newAddress, body.email);
    expect(statuses.at(-1)).toBe(429);
    expect((await signIn(home, body.password, body.email)).status).toBe(200);
  });

  it('by sign-ups with addresses that are taken are limited', async () => {
    const from = newAddress();
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 7; attempt++) {
      const body = { email: user.email, password: 'correct horse battery' };
      const headers = { 'x-forwarded-for': from };
      statuses.push((await call('POST', '/api/v1/auth/sign-up', { body, headers }, service.url)).status);
    }
    expect(statuses).toEqual([409, 409, 409, 409, 409, 429, 429]);
  });
});

it('sign-ups of a client are limited', async () => {
  const few = await startService({
    ...SETTINGS,
    RATE_LIMIT_CREDENTIALS_MAX: '3',
    OTEL_SERVICE_NAME: `limits-${randomUUID()}`,
  });
  const signUp = async (from: string) => {
    const body = { email: `${randomUUID()}@example.com`, password: 'correct horse battery' };
    const headers = { 'x-forwarded-for': from };
    return (await call('POST', '/api/v1/auth/sign-up', { body, headers }, few.url)).status;
  };
  const from = newAddress();
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 4; attempt++) statuses.push(await signUp(from));
  expect(statuses).toEqual([201, 201, 201, 429]);
  expect(await signUp(newAddress())).toBe(201);
  await few.stop();
});

describe('security events', () => {
  it('of refused requests are two rows however many requests there were', async () => {
    const alone = await startService({ ...SETTINGS, OTEL_SERVICE_NAME: `limits-${randomUUID()}` });
    const from = newAddress();
    await Promise.all(Array.from({ length: 40 }, () => signIn(from, 'wrong', user.email, alone.url)));
    await alone.stop(); // writes what it has counted
    const { rows } = await owner.query(
      'SELECT event_type, metadata FROM security_events WHERE ip = $1 ORDER BY created_at',
      [from],
    );
    const of = (type: string) => rows.filter(({ event_type }) => event_type === type);
    const total = (type: string) => of(type).reduce((sum, { metadata }) => sum + (metadata.count ?? 1), 0);
    expect(of('auth.sign_in_failed')).toHaveLength(2);
    expect(of('rate_limit.exceeded')).toHaveLength(2);
    expect([total('auth.sign_in_failed'), total('rate_limit.exceeded')]).toEqual([5, 35]);
    const accounts = new Set(rows.map(({ metadata }) => metadata.account));
    expect([...accounts]).toEqual([expect.stringMatching(/^[\w-]{22}$/)]);
    expect(JSON.stringify(rows)).not.toContain(user.email);
  });

  it('name no failed login, and nothing is counted, while Supabase Auth is away', async () => {
    const broken = await startHttpServer((_, response) => {
      response.writeHead(503).end();
    });
    const cut = await startService({
      ...SETTINGS,
      SUPABASE_URL: broken.url,
      OTEL_SERVICE_NAME: `limits-${randomUUID()}`,
    });
    try {
      const from = newAddress();
      for (let attempt = 0; attempt < 8; attempt++) {
        const answer = await signIn(from, user.password, user.email, cut.url);
        expect(answer.body.code).toBe('AUTH_UNAVAILABLE');
      }
      await cut.stop();
      const { rows } = await owner.query('SELECT event_type FROM security_events WHERE ip = $1', [from]);
      expect(rows).toEqual([]);
    } finally {
      await broken.stop();
    }
  });
});
