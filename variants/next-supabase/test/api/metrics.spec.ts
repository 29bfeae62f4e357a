import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newAdmin } from '../support/admin';
import { call, newProject, newUser, type TestUser } from '../support/api';
import { connectOwner } from '../support/database';
import { type Service, startService } from '../support/service';

const owner = connectOwner();

let admin: TestUser;
let service: Service;
beforeAll(async () => {
  admin = await newAdmin();
  service = await startService({ DATABASE_SLOW_QUERY_MS: '150' });
});
afterAll(async () => {
  await service?.stop();
  await owner.end();
});

const metrics = async () => {
  const { body } = await call('GET', '/api/v1/admin/metrics', { token: admin.token }, service.url);
  return body.data;
};

describe('the metrics of a process', () => {
  it('are for administrators of the service alone', async () => {
    const user = await newUser();
    const { body: made } = await call('POST', '/api/v1/api-keys', {
      token: admin.token,
      body: { name: 'ci', scopes: ['analytics:read'] },
    });
    const statuses = [
      await call('GET', '/api/v1/admin/metrics'),
      await call('GET', '/api/v1/admin/metrics', { token: user.token }),
      await call('GET', '/api/v1/admin/metrics', { token: made.data.key }),
      await call('GET', '/api/v1/admin/metrics', { token: admin.token }),
    ].map(({ status, body }) => [status, body.code]);
    expect(statuses).toEqual([
      [401, 'UNAUTHORIZED'],
      [403, 'FORBIDDEN'],
      [403, 'INSUFFICIENT_SCOPE'],
      [200, undefined],
    ]);
  });

  it('do not believe what users say of themselves', async () => {
    const { status, body } = await call('POST', '/api/v1/auth/sign-up', {
      body: { email: `x${admin.email}`, password: admin.password, app_metadata: { role: 'admin' } },
    });
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
  });

  it('count requests, faults, statements and connections', async () => {
    const before = await metrics();
    for (let index = 0; index < 3; index++) {
      await call('GET', '/api/v1/projects', { token: admin.token }, service.url);
    }
    await call('GET', '/api/v1/projects', {}, service.url);
    const { api, database } = await metrics();
    expect(api.responseTime.length).toBe(before.api.responseTime.length + 5);
    expect(database.queryTime.length).toBeGreaterThanOrEqual(before.database.queryTime.length + 9);
    expect(api.throughput).toBeGreaterThan(0);
    expect(api.errorRate).toBe(0);
    expect(api.clientErrorRate).toBeGreaterThan(0);
    expect(api.p95ResponseTime).toBeGreaterThanOrEqual(api.averageResponseTime / 2);
    const { active, idle, waiting } = database.connectionPool;
    expect(active + idle).toBeGreaterThan(0);
    expect(waiting).toBe(0);
  });

  it('name statements that were slow, without their values', async () => {
    const project = await newProject(admin);
    const client = await owner.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM projects WHERE id = $1 FOR UPDATE', [project.id]);
    const change = call(
      'PATCH',
      `/api/v1/projects/${project.id}`,
      { token: admin.token, body: { name: 'a secret name' }, headers: { 'if-match': '"1"' } },
      service.url,
    );
    await sleep(300);
    await client.query('COMMIT');
    client.release();
    expect((await change).status).toBe(200);
    const { slowQueries } = (await metrics()).database;
    expect(slowQueries[0]).toMatchObject({ query: expect.stringMatching(/^UPDATE projects SET/) });
    expect(slowQueries[0].duration).toBeGreaterThan(150);
    expect(JSON.stringify(slowQueries)).not.toContain('secret');
    expect(await (await fetch(`${service.url}/metrics`)).text()).toMatch(
      /db_client_operation_duration_seconds_bucket\{[^}]*db_operation_name="UPDATE"/,
    );
    await expect
      .poll(() => service.log.find(({ msg }) => msg === 'a statement was slow'))
      .toMatchObject({ statement: expect.stringMatching(/^UPDATE projects SET/) });
  });
});

describe('the status page', () => {
  it('runs its own scripts and no others, and is not framed', async () => {
    const page = await fetch(`${service.url}/status`);
    const policy = page.headers.get('content-security-policy') ?? '';
    const nonce = /'nonce-([\w-]+)'/.exec(policy)?.[1];
    const text = await page.text();
    expect([page.status, page.headers.get('content-type')]).toEqual([
      200,
      expect.stringContaining('text/html'),
    ]);
    expect(policy).toContain("frame-ancestors 'none'");
    const scripts = [...text.matchAll(/<script\b([^>]*)>/g)].map(([, attributes]) => attributes);
    expect(scripts.length).toBeGreaterThan(0);
    for (const attributes of scripts) expect(attributes).toContain(`nonce="${nonce}"`);
    expect((await fetch(`${service.url}/status`)).headers.get('content-security-policy')).not.toBe(policy);
  });
});
