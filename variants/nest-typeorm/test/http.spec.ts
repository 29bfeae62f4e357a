import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBLEMS } from '../src/common/errors/problem-catalog.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { anEvent, aPurchase, createEvent } from './support/events.js';
import { startService, type TestService } from './support/service.js';

const ORIGIN = 'https://app.example.com';

let database: TestDatabase;
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database, { CORS_ORIGINS: ORIGIN, BODY_LIMIT_BYTES: '10000' });
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

describe('every answer', () => {
  it.each(['/events', '/nowhere', '/health/live', '/events/42'])(
    'of %s carries a request id and security headers',
    async (path) => {
      const { headers } = await service.get(path, { 'x-request-id': 'abc-123' });
      expect(headers.get('x-request-id')).toBe('abc-123');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(headers.get('strict-transport-security')).toContain('max-age=');
      expect(headers.get('x-powered-by')).toBeNull();
    },
  );

  it('makes a request id where the given one is not well-formed', async () => {
    const { headers } = await service.get('/events', { 'x-request-id': 'a b' });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('lets the listed origins read it, and no other', async () => {
    const allowed = await service.get('/events', { origin: ORIGIN });
    expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const other = await service.get('/events', { origin: 'https://evil.example.com' });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    const preflight = await service.request('OPTIONS', '/events', undefined, {
      origin: ORIGIN,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'if-match',
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PATCH');
  });
});

describe('a problem', () => {
  /** Requests that fail, with the status and the code that they fail with. */
  const failures: [string, number, string, () => Promise<Response>][] = [
    ['an unknown path', 404, 'NOT_FOUND', () => fetch(`${service.url}/nowhere?token=secret`)],
    ['a malformed id', 400, 'VALIDATION_FAILED', () => fetch(`${service.url}/events/42`)],
    ['a path that cannot be decoded', 400, 'BAD_REQUEST', () => fetch(`${service.url}/events/%E0%A4%A`)],
    ['a body that is not JSON', 400, 'MALFORMED_JSON', () => send('{"name":')],
    ['an empty body', 400, 'VALIDATION_FAILED', () => send('')],
    [
      'a body that is not UTF-8',
      400,
      'MALFORMED_JSON',
      () => send(Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xe9, 0xff]), Buffer.from('"}')])),
    ],
    [
      'a method that the path has not',
      405,
      'METHOD_NOT_ALLOWED',
      () => fetch(`${service.url}/events`, { method: 'PUT' }),
    ],
    ['a body that tampers with prototypes', 400, 'MALFORMED_JSON', () => send('{"__proto__":{"sold":1}}')],
    ['a body of the wrong type', 415, 'UNSUPPORTED_MEDIA_TYPE', () => send('<event/>', 'application/xml')],
    [
      'a body that is a form',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      () => send('name=x', 'application/x-www-form-urlencoded'),
    ],
    [
      'a body that is too large',
      413,
      'PAYLOAD_TOO_LARGE',
      () => send(JSON.stringify(anEvent({ description: 'x'.repeat(10_000) }))),
    ],
    [
      'a body that nests too deep',
      400,
      'VALIDATION_FAILED',
      () => send(`${'['.repeat(4_000)}${']'.repeat(4_000)}`),
    ],
    ['a body that is no object', 400, 'VALIDATION_FAILED', () => send('[]')],
  ];

  function send(body: string | Uint8Array<ArrayBuffer>, type = 'application/json'): Promise<Response> {
    return fetch(`${service.url}/events`, { method: 'POST', body, headers: { 'content-type': type } });
  }

  it.each(failures)('for %s is RFC 9457 with status %d and code %s', async (_what, status, code, request) => {
    const response = await request();
    const body = (await response.json()) as Record<string, unknown>;
    expect([response.status, body.status, body.code]).toEqual([status, status, code]);
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(body).toMatchObject({
      type: `urn:problem:${code.toLowerCase().replaceAll('_', '-')}`,
      title: expect.any(String),
      detail: expect.any(String),
      instance: new URL(response.url).pathname,
      requestId: response.headers.get('x-request-id'),
    });
  });

  it.each([
    ['/events', 'PUT', 'GET, HEAD, POST'],
    ['/events/42?x=1', 'DELETE', 'GET, HEAD, PATCH'],
    ['/events/42/tickets/purchase', 'GET', 'POST'],
  ])('names the methods of %s where it does not take %s', async (path, method, allow) => {
    const { status, headers } = await service.request(method, path);
    expect([status, headers.get('allow')]).toEqual([405, allow]);
  });

  it('of the service itself tells nothing but the request id', async () => {
    await database.owner.query('ALTER TABLE events RENAME COLUMN venue TO place');
    try {
      const { status, headers, body } = await service.get('/events');
      expect([status, body.code]).toEqual([500, 'INTERNAL']);
      expect(JSON.stringify(body)).not.toMatch(/venue|column|select|\.ts|\.js|node_modules/i);
      expect(body.requestId).toBe(headers.get('x-request-id'));
    } finally {
      await database.owner.query('ALTER TABLE events RENAME COLUMN place TO venue');
    }
  });

  it('answers a request that is not HTTP, and goes on', async () => {
    const { hostname, port } = new URL(service.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write('nonsense\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"BAD_REQUEST"/s);
    expect((await service.get('/health/live')).status).toBe(200);
  });
});

describe('the OpenAPI document', () => {
  it('is version 3.1 and names every code', async () => {
    const { body } = await service.get('/openapi.json');
    expect(body.openapi).toMatch(/^3\.1\./);
    expect(body.components.schemas.ProblemDto.properties.code.enum).toEqual(Object.keys(PROBLEMS));
    expect(Object.keys(body.paths)).toContain('/events/{id}/tickets/purchase');
  });

  it('is shown at /docs', async () => {
    const response = await fetch(`${service.url}/docs`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('swagger-ui');
  });
});

describe('the rate limit', () => {
  let limited: TestService;
  beforeAll(async () => {
    limited = await startService(database, { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_MAX: '3' });
    return () => limited.stop();
  });

  it('counts a client’s requests over all routes, then answers 429 with the time to wait', async () => {
    const answers = [];
    for (const path of ['/events', '/events/42', '/events', '/events']) answers.push(await limited.get(path));
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 200, 429]);
    expect(answers.map(({ headers }) => headers.get('ratelimit')?.replace(/;t=\d+/, ''))).toEqual([
      '"default";r=2',
      '"default";r=1',
      '"default";r=0',
      '"default";r=0',
    ]);
    const last = answers.at(-1);
    expect(last?.headers.get('ratelimit-policy')).toBe('"default";q=3;w=60');
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(last?.body.code).toBe('RATE_LIMITED');
  });

  it('is not reset by another X-Forwarded-For, since no proxy is trusted', async () => {
    expect((await limited.get('/events', { 'x-forwarded-for': '203.0.113.7' })).status).toBe(429);
  });

  it('does not count probes', async () => {
    expect((await limited.get('/health/ready')).status).toBe(200);
    expect((await limited.get('/metrics')).status).toBe(200);
  });
});

describe('/metrics', () => {
  it('counts requests by route, sales, refusals and connections', async () => {
    const eventId = await createEvent(service, { capacity: 3 });
    await service.post(`/events/${eventId}/tickets/purchase`, aPurchase(3));
    await service.post(`/events/${eventId}/tickets/purchase`, aPurchase(1));
    const response = await fetch(`${service.url}/metrics`);
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/plain');
    for (const line of [
      /^http_server_request_duration_seconds_count\{.*http_request_method="POST".*http_route="\/events\/:id\/tickets\/purchase".*\} [1-9]/m,
      /^tickets_sold_total(\{.*\})? 3/m,
      /^tickets_purchases_refused_total\{.*reason="SOLD_OUT".*\} 1/m,
      /^tickets_purchase_group_size_count(\{.*\})? [1-9]/m,
      /^tickets_purchase_queue_depth(\{.*\})? 0/m,
      /^db_client_connection_count\{.*db_client_connection_state="idle".*\} [1-9]/m,
      /^db_client_connection_pending_requests(\{.*\})? 0/m,
    ])
      expect(text).toMatch(line);
    expect(text).not.toContain(eventId);
  });
});
