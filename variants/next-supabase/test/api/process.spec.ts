import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt, SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { call, newUser } from '../support/api';
import { type Service, startService } from '../support/service';
import { openWay } from '../support/way';

const started: Service[] = [];

async function start(env: Record<string, string> = {}): Promise<Service> {
  const service = await startService(env);
  started.push(service);
  return service;
}

afterEach(async () => {
  for (const { process: child } of started.splice(0)) child.kill('SIGKILL');
});

describe('a process of the service', () => {
  it('shares its rate limit with the others, and believes no X-Forwarded-For', async () => {
    const env = { RATE_LIMIT_MAX: '5', OTEL_SERVICE_NAME: `limited-${process.pid}-${Date.now()}` };
    const [a, b] = await Promise.all([start(env), start(env)]);
    const statuses: number[] = [];
    for (let index = 0; index < 12; index++) {
      const headers = { 'x-forwarded-for': `10.0.0.${index}`, 'x-client-address': `10.0.1.${index}` };
      const answer = await call('GET', '/api/v1/projects', { headers }, (index % 2 ? a : b).url);
      statuses.push(answer.status);
      if (answer.status === 429) {
        expect(answer.body).toMatchObject({ code: 'RATE_LIMITED', error: 'Rate limit exceeded' });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
    }
    expect(statuses.filter((status) => status === 401)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(7);
  });

  it.each([
    ['open', 401],
    ['closed', 429],
  ])('fails %s where Redis does not answer, as it is set', async (setting, status) => {
    const service = await start({ REDIS_URL: 'redis://127.0.0.1:1', RATE_LIMIT_ON_FAILURE: setting });
    expect((await call('GET', '/api/v1/projects', {}, service.url)).status).toBe(status);
    const ready = await call('GET', '/health/ready', {}, service.url);
    expect([ready.status, ready.body.details.redis.status]).toEqual([503, 'down']);
    expect((await call('GET', '/health/live', {}, service.url)).status).toBe(200);
  });

  it('does not start where it cannot reach its database', async () => {
    const url = new URL(process.env.DATABASE_URL ?? '');
    url.port = '1';
    await expect(startService({ DATABASE_URL: url.href })).rejects.toThrow('code 1');
  });

  it('answers 503 where the database does not answer any more', async () => {
    const user = await newUser();
    const way = await openWay(process.env.DATABASE_URL ?? '');
    const service = await start({ DATABASE_URL: way.url });
    const read = () => call('GET', '/api/v1/projects', { token: user.token }, service.url);
    expect((await read()).status).toBe(200);
    way.close();
    const answer = await read();
    expect(answer).toMatchObject({ status: 503, body: { code: 'DATABASE_UNAVAILABLE' } });
    expect(answer.headers.get('retry-after')).toBe('5');
    expect((await call('GET', '/health/ready', {}, service.url)).status).toBe(503);
  });

  it('answers 503 where Supabase Auth does not answer', async () => {
    const user = await newUser();
    const service = await start({ SUPABASE_URL: 'http://127.0.0.1:1' });
    const signIn = await call(
      'POST',
      '/api/v1/auth/sign-in',
      { body: { email: user.email, password: 'x' } },
      service.url,
    );
    expect(signIn).toMatchObject({ status: 503, body: { code: 'AUTH_UNAVAILABLE' } });
    const read = await call('GET', '/api/v1/projects', { token: user.token }, service.url);
    expect(read).toMatchObject({ status: 503, body: { code: 'AUTH_UNAVAILABLE' } });
  });

  it('answers 503 where what stands for Supabase Auth is something else', async () => {
    const user = await newUser();
    const other = createServer((_, response) => response.writeHead(502).end('<html>')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const service = await start({ SUPABASE_URL: `http://127.0.0.1:${port}` });
    const read = await call('GET', '/api/v1/projects', { token: user.token }, service.url);
    other.close();
    expect(read).toMatchObject({ status: 503, body: { code: 'AUTH_UNAVAILABLE' } });
  });

  it('takes tokens of the shared secret where it is set, and nowhere else', async () => {
    const user = await newUser();
    const secret = randomBytes(32).toString('hex');
    const service = await start({ SUPABASE_JWT_SECRET: secret });
    const sign = (key: string) =>
      new SignJWT(decodeJwt(user.token))
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(key));
    const token = await sign(secret);
    expect((await call('GET', '/api/v1/projects', { token }, service.url)).status).toBe(200);
    expect((await call('GET', '/api/v1/projects', { token: user.token }, service.url)).status).toBe(200);
    const forged = await sign(randomBytes(32).toString('hex'));
    expect((await call('GET', '/api/v1/projects', { token: forged }, service.url)).status).toBe(401);
    expect((await call('GET', '/api/v1/projects', { token })).status).toBe(401);
  });

  it('refuses a token that has run out, although it was good a moment ago', async () => {
    const user = await newUser();
    const secret = randomBytes(32).toString('hex');
    const service = await start({ SUPABASE_JWT_SECRET: secret });
    const now = Math.floor(Date.now() / 1_000);
    const token = await new SignJWT({ ...decodeJwt(user.token), exp: now + 5 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
    const status = async () => (await call('GET', '/api/v1/auth/session', { token }, service.url)).status;
    expect(await status()).toBe(200);
    await expect.poll(status, { timeout: 10_000 }).toBe(401);
    expect(Date.now() / 1_000).toBeGreaterThanOrEqual(now + 5);
  });

  it('stops in order: readiness says so, requests under way are finished, exit code 0', async () => {
    const user = await newUser();
    const service = await start({ SHUTDOWN_DRAIN_MS: '3000' });
    await call('GET', '/health/ready', {}, service.url);
    const stopped = service.stop();
    await expect
      .poll(async () => (await call('GET', '/health/ready', {}, service.url)).body, { interval: 10 })
      .toEqual({ status: 'shutting_down', details: {} });
    const late = await call('GET', '/api/v1/projects', { token: user.token }, service.url);
    expect(late.status).toBe(200);
    expect(late.headers.get('connection')).toBe('close');
    expect(await stopped).toBe(0);
  });

  it('writes one line per request, with its id', async () => {
    const service = await start();
    await call('GET', '/api/v1/projects', { headers: { 'x-request-id': 'looked-for' } }, service.url);
    await expect
      .poll(() => service.log.find(({ msg, requestId }) => msg === 'request' && requestId === 'looked-for'))
      .toMatchObject({ method: 'GET', path: '/api/v1/projects', status: 401 });
  });

  it('measures requests by route, and its connections', async () => {
    const service = await start();
    await call('GET', '/api/v1/projects/b0000000-0000-4000-8000-000000000001', {}, service.url);
    await call('GET', '/nobody/knows/this', {}, service.url);
    const text = await (await fetch(`${service.url}/metrics`)).text();
    expect(text).toMatch(
      /http_server_request_duration_seconds_count\{[^}]*http_route="\/api\/v1\/projects\/\{id\}"/,
    );
    expect(text).not.toContain('nobody');
    expect(text).toMatch(/db_client_connection_count\{[^}]*db_client_connection_state="idle"/);
    expect(text).toContain('nodejs_eventloop');
  });

  it('does not start without its settings, and names them', () => {
    const { PATH = '' } = process.env;
    const { status, stderr } = spawnSync(process.execPath, ['dist/server/main.js'], {
      env: { PATH, NODE_ENV: 'production', PORT: 'x' } as unknown as NodeJS.ProcessEnv,
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    for (const name of ['PORT', 'DATABASE_URL', 'SUPABASE_URL', 'SUPABASE_PUBLISHABLE_KEY', 'REDIS_URL']) {
      expect(stderr).toContain(name);
    }
  });
});
