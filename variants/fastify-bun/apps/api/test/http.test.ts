import { afterAll, beforeAll, describe, expect, it } from 'bun:test';
import { connect } from 'node:net';
import { createDatabase, type TestDatabase } from './support/database.js';
import { startService, type TestService } from './support/service.js';
import { signUp, type TestUser } from './support/users.js';

let database: TestDatabase;
let service: TestService;
let ada: TestUser;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database, { CORS_ORIGINS: 'https://app.example.com' });
  ada = await signUp(service);
});

afterAll(async () => {
  await service.stop();
  await database.drop();
});

const PROBLEM = ['code', 'detail', 'instance', 'requestId', 'status', 'title', 'type'];

describe('an error', () => {
  it.each([
    ['an unknown path', 'GET', '/nope?secret=1', undefined, 404, 'NOT_FOUND'],
    ['a path that cannot be decoded', 'GET', '/%c0%af', undefined, 400, 'BAD_REQUEST'],
    ['no log-in', 'GET', '/users/me', undefined, 401, 'UNAUTHORIZED'],
    ['a body that is no JSON', 'POST', '/api/auth/sign-in/email', '{"email":', 400, 'MALFORMED_JSON'],
    ['a forbidden member', 'POST', '/api/auth/sign-in/email', '{"__proto__":{}}', 400, 'MALFORMED_JSON'],
    [
      'a body that nests deeply',
      'POST',
      '/api/auth/sign-in/email',
      `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      400,
      'VALIDATION_FAILED',
    ],
    ['a body of the wrong type', 'POST', '/api/auth/sign-in/email', '[]', 400, 'VALIDATION_FAILED'],
  ])('is a problem document: %s', async (_, method, path, body, status, code) => {
    const answer = await service.request(method, path, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(
      Object.keys(answer.body)
        .filter((name) => name !== 'errors')
        .sort(),
    ).toEqual(PROBLEM);
    expect(answer.body.instance).toBe(path.split('?', 1)[0]);
    expect(answer.body.requestId).toBe(answer.headers.get('x-request-id') ?? 'none');
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });

  it('says that only JSON is taken', async () => {
    const headers = { 'content-type': 'text/plain' };
    const { status, body } = await service.request('POST', '/api/auth/sign-in/email', 'hello', headers);
    expect([status, body.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  });

  it('says that a body is too large', async () => {
    const large = JSON.stringify({ email: 'a'.repeat(1_100_000) });
    const { status, body } = await service.post('/api/auth/sign-in/email', large);
    expect([status, body.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  it('of the database does not show what went wrong inside', async () => {
    await database.owner.query('ALTER TABLE users RENAME TO hidden');
    try {
      const { status, body } = await service.get('/users/me', ada.auth);
      expect([status, body.code]).toEqual([500, 'INTERNAL']);
      expect(JSON.stringify(body)).not.toMatch(/relation|users"|select|hidden/i);
    } finally {
      await database.owner.query('ALTER TABLE hidden RENAME TO users');
    }
  });

  it('of a lock that others hold is a bounded 503', async () => {
    const locked = await startService(database, { DATABASE_LOCK_TIMEOUT_MS: '100' });
    const other = await database.owner.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [ada.id]);
      const { status, body, headers } = await locked.patch('/users/me', { name: 'x' }, ada.auth);
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'LOCK_TIMEOUT', '1']);
    } finally {
      await other.query('ROLLBACK');
      other.release();
      await locked.stop();
    }
  });
});

describe('a request', () => {
  it('keeps the id that its client has given it', async () => {
    const { headers } = await service.get('/health/live', { 'x-request-id': 'abc-123' });
    expect(headers.get('x-request-id')).toBe('abc-123');
  });

  it('from a page is answered for the origins that the settings list, and for no others', async () => {
    const allowed = await service.get('/health/live', { origin: 'https://app.example.com' });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    const foreign = await service.get('/health/live', { origin: 'https://evil.example' });
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is answered with the headers that keep browsers from harm', async () => {
    const { headers } = await service.get('/health/live');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('that is no HTTP does not end the process', async () => {
    const { port } = new URL(service.url);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.end('NONSENSE\r\n\r\n'));
      socket
        .on('close', () => resolve())
        .on('error', () => {})
        .resume();
    });
    expect((await service.get('/health/live')).status).toBe(200);
  });
});

describe('the rate limit', () => {
  it('is one for all processes, is told in the headers, and does not believe X-Forwarded-For', async () => {
    const limits = {
      RATE_LIMIT_ENABLED: 'true',
      RATE_LIMIT_MAX: '4',
      OTEL_SERVICE_NAME: crypto.randomUUID(),
    };
    const both = [await startService(database, limits), await startService(database, limits)] as const;
    try {
      const ask = (index: number) =>
        both[index % 2 === 0 ? 0 : 1].get('/users/me', { 'x-forwarded-for': `203.0.113.${index}` });
      const first = await ask(0);
      expect(first.headers.get('ratelimit-policy')).toBe('"default";q=4;w=60');
      expect(first.headers.get('ratelimit')).toMatch(/^"default";r=3;t=\d+$/);
      for (const index of [1, 2, 3]) expect((await ask(index)).status).toBe(401);
      const { status, body, headers } = await ask(4);
      expect([status, body.code]).toEqual([429, 'RATE_LIMITED']);
      expect(headers.get('retry-after')).toBe(String(body.retryAfter));
      expect((await both[0].get('/health/ready')).status).toBe(200);
    } finally {
      for (const each of both) await each.stop();
    }
  });

  it('counts nothing while Valkey is away, and lets requests through', async () => {
    const alone = await startService(database, {
      RATE_LIMIT_ENABLED: 'true',
      RATE_LIMIT_MAX: '1',
      REDIS_URL: 'redis://127.0.0.1:1',
    });
    try {
      for (let index = 0; index < 3; index++)
        expect((await alone.get('/users/me', ada.auth)).status).toBe(200);
    } finally {
      await alone.stop();
    }
  });
});

describe('readiness', () => {
  it('names each dependency with its status and latency', async () => {
    const { status, body } = await service.get('/health/ready');
    expect([status, body.status]).toEqual([200, 'ok']);
    expect(Object.keys(body.details)).toEqual(['database', 'valkey']);
    expect(body.details.database).toEqual({ status: 'up', responseTime: expect.any(Number) });
  });

  it('is 503 while a dependency is away, and says no more than which', async () => {
    const alone = await startService(database, { REDIS_URL: 'redis://127.0.0.1:1' });
    try {
      const { status, body } = await alone.get('/health/ready');
      expect([status, body.status, body.details.valkey.status]).toEqual([503, 'error', 'down']);
      expect(JSON.stringify(body)).not.toContain('127.0.0.1');
      expect((await alone.get('/health/live')).status).toBe(200);
    } finally {
      await alone.stop();
    }
  });

  it('is 503 from the moment at which the process is asked to stop', async () => {
    service.app.lifecycle.draining = true;
    const { status, headers } = await service.get('/health/ready');
    service.app.lifecycle.draining = false;
    expect([status, headers.get('connection')]).toEqual([503, 'close']);
  });
});

describe('the metrics', () => {
  it('tell the duration of requests by route, and give unknown paths no label of their own', async () => {
    await service.get('/users/me', ada.auth);
    await service.get('/scanner/of/paths');
    const text = await (await fetch(`${service.url}/metrics`)).text();
    expect(text).toMatch(/http_server_request_duration_seconds_count\{[^}]*http_route="\/users\/me"/);
    expect(text).not.toContain('/scanner');
    expect(text).toMatch(/db_client_connection_count\{db_client_connection_state="idle"\} \d/);
  });
});

describe('the OpenAPI document', () => {
  it('is version 3.1, names who may call, and the problems of every operation', async () => {
    const { body } = await service.get('/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(body.paths['/users/me'].get.security).toEqual([{ bearer: [] }, { session: [] }, { apiKey: [] }]);
    expect(body.paths['/api/auth/sign-in/email'].post.security).toEqual([]);
    for (const operations of Object.values<Record<string, { responses: object }>>(body.paths)) {
      for (const { responses } of Object.values(operations)) {
        for (const status of ['400', '429', '500', '503']) expect(responses).toHaveProperty(status);
      }
    }
    expect(body.components.schemas.User.properties.createdAt).toMatchObject({
      type: 'string',
      format: 'date-time',
    });
  });

  it('lists no route that would be open by mistake', async () => {
    const { body } = await service.get('/openapi.json');
    const open = Object.entries<Record<string, { security: unknown[] }>>(body.paths).flatMap(
      ([path, operations]) =>
        Object.entries(operations).flatMap(([method, { security }]) =>
          security.length === 0 ? [`${method} ${path}`] : [],
        ),
    );
    expect(open.sort()).toEqual([
      'get /api/auth/instructions/{step}',
      'get /api/auth/reset-password/{token}',
      'get /api/auth/verify-email',
      'post /api/auth/request-password-reset',
      'post /api/auth/reset-password',
      'post /api/auth/send-verification-email',
      'post /api/auth/sign-in/email',
      'post /api/auth/sign-up/email',
      'post /api/auth/verify-email',
    ]);
  });
});
