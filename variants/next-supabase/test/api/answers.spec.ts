import { connect } from 'node:net';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { call, newUser, type TestUser } from '../support/api';

let user: TestUser;
beforeAll(async () => {
  user = await newUser();
});

const post = (body: string, headers: Record<string, string> = {}) =>
  fetch(`${inject('url')}/api/v1/projects`, {
    method: 'POST',
    headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/json', ...headers },
    body,
  });

/** What the service answers to bytes that no HTTP client would send. */
const raw = (bytes: string) =>
  new Promise<string>((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(new URL(inject('url')).port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => (answer += chunk));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });

describe('errors', () => {
  it('are problem documents that also carry error and details', async () => {
    const response = await post('{"name": "", "version": 3}', { 'x-request-id': 'from-the-caller' });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(response.headers.get('x-request-id')).toBe('from-the-caller');
    const faults = [
      { pointer: '/name', message: 'must be text of at least 1 characters' },
      { pointer: '/version', message: 'is not known' },
    ];
    expect(await response.json()).toEqual({
      type: 'urn:problem:validation-failed',
      title: 'The request is not valid',
      status: 400,
      detail: expect.any(String),
      instance: '/api/v1/projects',
      code: 'VALIDATION_FAILED',
      requestId: 'from-the-caller',
      errors: faults,
      error: 'Validation failed',
      details: faults,
    });
  });

  it.each<[what: string, status: number, body: string, headers?: Record<string, string>]>([
    ['what is not JSON', 400, '{'],
    ['what is not UTF-8 JSON at all', 400, ''],
    ['another type', 415, '{"name":"x"}', { 'content-type': 'text/plain' }],
    ['a body over the limit', 413, JSON.stringify({ name: 'x', description: 'x'.repeat(1_100_000) })],
    ['10,000 levels', 400, `{"name":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    ['NUL', 400, '{"name":"a\\u0000b"}'],
    ['half a character', 400, '{"name":"\\ud800"}'],
    ['__proto__', 400, '{"name":"x","__proto__":{"version":9}}'],
    ['privileged members', 400, '{"name":"x","user_id":"a0000000-0000-4000-8000-000000000001"}'],
  ])('refuse %s', async (_, status, body, headers) => {
    const response = await post(body, headers);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    await response.body?.cancel();
  });

  it('refuse a body over the limit that never ends', async () => {
    const head = `POST /api/v1/projects HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${user.token}\r\n`;
    const size = 1_048_577;
    const answer = await raw(
      `${head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${' '.repeat(size)}`,
    );
    expect(answer).toContain('HTTP/1.1 413 ');
    expect(answer).toContain('PAYLOAD_TOO_LARGE');
  });

  it('are the same where there is no route, and no such method', async () => {
    for (const [method, path, status, code] of [
      ['GET', '/nothing/here', 404, 'NOT_FOUND'],
      ['GET', '/', 404, 'NOT_FOUND'],
      ['DELETE', '/api/v1/projects', 405, 'METHOD_NOT_ALLOWED'],
      ['GET', '/api/v1/projects/not-a-uuid', 400, 'VALIDATION_FAILED'],
      ['GET', '/api/v1/projects?limit=0', 400, 'VALIDATION_FAILED'],
      ['GET', '/api/v1/projects?limit=1&limit=2', 400, 'VALIDATION_FAILED'],
      ['GET', '/api/v1/projects?cursor=x', 400, 'VALIDATION_FAILED'],
      ['GET', '/api/v1/projects?unknown=1', 400, 'VALIDATION_FAILED'],
    ] as const) {
      const answer = await call(method, path, { token: user.token });
      expect([path, answer.status, answer.body?.code]).toEqual([path, status, code]);
    }
  });

  it.each([
    ['what is not HTTP', 'GARBAGE\r\n\r\n', 400],
    ['headers without an end', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  ])('are problem documents for %s, too', async (_, bytes, status) => {
    const answer = await raw(bytes);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain('application/problem+json');
  });
});

describe('every answer', () => {
  it('has security headers, a request id and the rate limit', async () => {
    const { headers } = await call('GET', '/api/v1/projects', { token: user.token });
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get('ratelimit-policy')).toMatch(/^"default";q=\d+;w=60$/);
  });

  it('takes no request id that could forge log lines', async () => {
    const { headers } = await call('GET', '/health/live', { headers: { 'x-request-id': 'a b' } });
    expect(headers.get('x-request-id')).not.toBe('a b');
  });

  it('lets no origin in that CORS_ORIGINS does not list', async () => {
    const { headers } = await call('GET', '/health/live', { headers: { origin: 'https://evil.example' } });
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('health', () => {
  it('tells that the process runs, and how its dependencies are', async () => {
    expect((await call('GET', '/health/live')).body).toEqual({ status: 'ok' });
    const { status, body } = await call('GET', '/health/ready');
    const up = { status: 'up', responseTime: expect.any(Number) };
    expect([status, body]).toEqual([200, { status: 'ok', details: { database: up, redis: up, auth: up } }]);
  });
});
