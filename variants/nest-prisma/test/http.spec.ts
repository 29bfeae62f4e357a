import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PoolClient } from 'pg';
import { PROBLEMS } from '../src/common/errors/problem-catalog.js';
import { Drain } from '../src/common/http/drain.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { anEmail, type Client, createCustomer, newMember, newOwner } from './support/people.js';
import { startService, type TestService } from './support/service.js';

const ORIGIN = 'https://app.example.com';
const PATH = '/api/v1/customers';

let database: TestDatabase;
let service: TestService;
let owner: Client;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database, { CORS_ORIGINS: ORIGIN, BODY_LIMIT_BYTES: '10000' });
  owner = await newOwner(service);
});

afterAll(async () => {
  await service.stop();
  await database.drop();
});

describe('every answer', () => {
  it.each([PATH, '/nowhere', '/health/live', `${PATH}/42`])(
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
    const { headers } = await service.get(PATH, { 'x-request-id': 'a b' });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('belongs to a request whose id is known wherever the request has effects, also behind a body', async () => {
    const { body } = await owner.post(PATH, { name: 'x', email: anEmail() }, { 'x-request-id': 'traced-1' });
    const { body: log } = await owner.get(`/api/v1/audit-log?entityId=${body.id}`);
    expect(log.data[0].requestId).toBe('traced-1');
  });

  it('lets the listed origins read it, and no other', async () => {
    const allowed = await service.get(PATH, { origin: ORIGIN });
    expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const other = await service.get(PATH, { origin: 'https://evil.example.com' });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    const preflight = await service.request('OPTIONS', PATH, undefined, {
      origin: ORIGIN,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'if-match',
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PATCH');
  });
});

describe('a problem', () => {
  const send = (body: string, type = 'application/json') => owner.post(PATH, body, { 'content-type': type });

  /** Requests that fail, with the status and the code that they fail with. */
  const failures: [string, number, string, () => ReturnType<Client['get']>][] = [
    ['an unknown path', 404, 'NOT_FOUND', () => owner.get('/nowhere?token=secret')],
    ['a malformed id', 400, 'VALIDATION_FAILED', () => owner.get(`${PATH}/42`)],
    ['a path that cannot be decoded', 400, 'BAD_REQUEST', () => owner.get(`${PATH}/%E0%A4%A`)],
    ['a body that is not JSON', 400, 'MALFORMED_JSON', () => send('{"name":')],
    ['a body that tampers with prototypes', 400, 'MALFORMED_JSON', () => send('{"__proto__":{"version":1}}')],
    [
      'a body that does so in disguise',
      400,
      'MALFORMED_JSON',
      () => send('{"a":{"\\u005f_proto__":{"version":1}}}'),
    ],
    ['a body of the wrong type', 415, 'UNSUPPORTED_MEDIA_TYPE', () => send('<c/>', 'application/xml')],
    [
      'a body that is a form',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      () => send('name=x', 'application/x-www-form-urlencoded'),
    ],
    [
      'a body in a character set that is not known',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      () => send('{}', 'application/json; charset=x'),
    ],
    [
      'a body that is too large',
      413,
      'PAYLOAD_TOO_LARGE',
      () => send(JSON.stringify({ name: 'x'.repeat(11_000) })),
    ],
    [
      'a body that nests too deep',
      400,
      'VALIDATION_FAILED',
      () => send(`${'['.repeat(4_000)}${']'.repeat(4_000)}`),
    ],
    ['a body that is a list', 400, 'VALIDATION_FAILED', () => send('[]')],
    ['a body that is no object', 400, 'VALIDATION_FAILED', () => send('"x"')],
    ['no body', 400, 'VALIDATION_FAILED', () => owner.post(PATH, undefined)],
  ];

  it.each(failures)('for %s is RFC 9457 with status %d and code %s', async (_what, status, code, request) => {
    const { body, headers, ...answer } = await request();
    expect([answer.status, body.status, body.code]).toEqual([status, status, code]);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(body).toMatchObject({
      type: `urn:problem:${code.toLowerCase().replaceAll('_', '-')}`,
      title: expect.any(String),
      detail: expect.any(String),
      requestId: headers.get('x-request-id'),
    });
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('of the service itself tells nothing but the request id', async () => {
    await database.owner.query('ALTER TABLE customers RENAME COLUMN status TO state');
    try {
      const { status, headers, body } = await owner.get(PATH);
      expect([status, body.code]).toEqual([500, 'INTERNAL']);
      expect(JSON.stringify(body)).not.toMatch(/state|column|select|prisma|\.ts|\.js|node_modules/i);
      expect(body.requestId).toBe(headers.get('x-request-id'));
    } finally {
      await database.owner.query('ALTER TABLE customers RENAME COLUMN state TO status');
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

/** Holds a customer's row while something else is done. */
async function withLock(id: string, work: (holder: PoolClient) => Promise<void>): Promise<void> {
  const client = await database.owner.connect();
  await client.query('BEGIN');
  await client.query(`SELECT set_config('app.organization_id', $1, true)`, [owner.organizationId]);
  await client.query('SELECT id FROM customers WHERE id = $1 FOR UPDATE', [id]);
  try {
    await work(client);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

describe('a process that is told to stop', () => {
  it('answers what was under way, and asks each client to close its connection', async () => {
    const ending = await startService(database);
    const { id } = await createCustomer(owner);
    const headers = { authorization: `Bearer ${owner.token}`, 'if-match': '"1"' };
    let stopped: Promise<void> | undefined;
    let pending: ReturnType<TestService['request']> | undefined;
    await withLock(id, async (holder) => {
      pending = ending.request('PATCH', `${PATH}/${id}`, { name: 'x' }, headers);
      await somebodyWaitsFor(holder);
      stopped = ending.stop();
      while (!ending.app.get(Drain).draining) await sleep(1);
    });
    const answer = await pending;
    expect([answer?.status, answer?.headers.get('connection')]).toEqual([200, 'close']);
    await stopped;
  });

  async function somebodyWaitsFor(holder: PoolClient): Promise<void> {
    const waiting =
      'SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))';
    while ((await holder.query(waiting)).rowCount === 0) await sleep(10);
  }
});

describe('what takes too long', () => {
  it('to get a lock is answered 503, and can be repeated', async () => {
    const impatient = await startService(database, { DATABASE_LOCK_TIMEOUT_MS: '100' });
    try {
      const { id } = await createCustomer(owner);
      const headers = {
        authorization: `Bearer ${owner.token}`,
        'if-match': '"1"',
      };
      await withLock(id, async () => {
        const answer = await impatient.request('PATCH', `${PATH}/${id}`, { name: 'x' }, headers);
        expect([answer.status, answer.body.code]).toEqual([503, 'LOCK_TIMEOUT']);
        expect(answer.headers.get('retry-after')).toBe('1');
      });
      const answer = await impatient.request('PATCH', `${PATH}/${id}`, { name: 'x' }, headers);
      expect(answer.status).toBe(200);
    } finally {
      await impatient.stop();
    }
  });

  it('to be handled is answered 503 once, and the process goes on', async () => {
    const hasty = await startService(database, {
      REQUEST_TIMEOUT_MS: '300',
      DATABASE_LOCK_TIMEOUT_MS: '1000',
    });
    try {
      const { id } = await createCustomer(owner);
      const headers = { authorization: `Bearer ${owner.token}`, 'if-match': '"1"' };
      await withLock(id, async () => {
        const answer = await hasty.request('PATCH', `${PATH}/${id}`, { name: 'x' }, headers);
        expect([answer.status, answer.body.code]).toEqual([503, 'HANDLER_TIMEOUT']);
        // The handler ends after that, with an error that nobody is told of any more.
        await sleep(1_000);
      });
      expect((await hasty.get('/health/live')).status).toBe(200);
    } finally {
      await hasty.stop();
    }
  });
});

describe('the OpenAPI document', () => {
  it('is version 3.1 and names every code', async () => {
    const { body } = await service.get('/openapi.json');
    expect(body.openapi).toMatch(/^3\.1\./);
    expect(body.components.schemas.ProblemDto.properties.code.enum).toEqual(Object.keys(PROBLEMS));
    for (const path of Object.keys(body.paths)) expect(path).toMatch(/^\/api\/v1\//);
  });

  it('is shown at /docs', async () => {
    const response = await fetch(`${service.url}/docs`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('swagger-ui');
  });
});

describe('the rate limits', () => {
  const prefix = { REDIS_PREFIX: `test-${randomUUID()}` };

  /** Two processes that share a Valkey. */
  async function withTwo(settings: Record<string, string>, work: (services: TestService[]) => Promise<void>) {
    const shared = { RATE_LIMIT_ENABLED: 'true', REDIS_PREFIX: `test-${randomUUID()}`, ...settings };
    const services = [await startService(database, shared), await startService(database, shared)];
    try {
      await work(services);
    } finally {
      for (const each of services) await each.stop();
    }
  }

  it('by address are shared by processes, and cannot be reset by X-Forwarded-For', async () => {
    await withTwo({ RATE_LIMIT_MAX: '4' }, async (services) => {
      const statuses: number[] = [];
      let last: Awaited<ReturnType<TestService['get']>> | undefined;
      for (let index = 0; index < 6; index += 1) {
        last = await services[index % 2]?.get(PATH, { 'x-forwarded-for': `203.0.113.${index}` });
        statuses.push(last?.status ?? 0);
      }
      expect(statuses).toEqual([401, 401, 401, 401, 429, 429]);
      expect(last?.headers.get('ratelimit-policy')).toBe('"default";q=4;w=60');
      expect(last?.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/);
      expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(last?.body.code).toBe('RATE_LIMITED');
      expect((await services[0]?.get('/health/ready'))?.status).toBe(200);
      expect((await services[0]?.get('/metrics'))?.status).toBe(200);
    });
  });

  it('by user and by organization are shared by processes as well', async () => {
    const colleague = await newMember(service, owner, 'VIEWER');
    const settings = { RATE_LIMIT_MAX: '1000', RATE_LIMIT_USER_MAX: '3', RATE_LIMIT_ORGANIZATION_MAX: '5' };
    await withTwo(settings, async (services) => {
      const ask = async (client: Client, index: number) => {
        const authorization = { authorization: `Bearer ${client.token}` };
        const answer = await services[index % 2]?.get(PATH, authorization);
        return [answer?.status, answer?.headers.get('ratelimit')?.replaceAll(/;t=\d+/g, '')];
      };
      const answers = [];
      for (const index of [0, 1, 2, 3]) answers.push(await ask(owner, index));
      for (const index of [0, 1]) answers.push(await ask(colleague, index));
      expect(answers.map(([status]) => status)).toEqual([200, 200, 200, 429, 200, 429]);
      expect(answers[1]?.[1]).toBe('"default";r=998, "user";r=1, "organization";r=3');
    });
  });

  it('are counted in the process while Valkey is away', async () => {
    const alone = await startService(database, {
      ...prefix,
      REDIS_URL: 'redis://127.0.0.1:1',
      RATE_LIMIT_ENABLED: 'true',
      RATE_LIMIT_MAX: '2',
    });
    try {
      const statuses = [];
      for (let index = 0; index < 3; index += 1) statuses.push((await alone.get(PATH)).status);
      expect(statuses).toEqual([401, 401, 429]);
      const ready = await alone.get('/health/ready');
      expect([ready.status, ready.body.details.valkey.status]).toEqual([503, 'down']);
    } finally {
      await alone.stop();
    }
  });
});

it('/metrics counts requests by route, and connections', async () => {
  await owner.get(`${PATH}/${randomUUID()}`);
  const response = await fetch(`${service.url}/metrics`);
  const text = await response.text();
  expect(response.headers.get('content-type')).toContain('text/plain');
  for (const line of [
    /^http_server_request_duration_seconds_count\{.*http_response_status_code="404".*http_route="\/api\/v1\/customers\/:id".*\} [1-9]/m,
    /^db_client_connection_count\{.*db_client_connection_state="idle".*\} \d/m,
    /^db_client_connection_pending_requests(\{.*\})? 0/m,
  ])
    expect(text).toMatch(line);
  expect(text).not.toContain(owner.organizationId);
});
