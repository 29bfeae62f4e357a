import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { call, newProject, newUser, type TestUser } from '../support/api';
import { connectOwner } from '../support/database';

let user: TestUser;
let owner: pg.Pool;

beforeAll(async () => {
  owner = connectOwner();
  user = await newUser();
  return () => owner.end();
});

async function newKey(input: object = {}) {
  const { body } = await call('POST', '/api/v1/api-keys', {
    token: user.token,
    body: { name: randomUUID(), scopes: ['projects:read'], ...input },
  });
  return body.data;
}

describe('API keys', () => {
  it('are shown once, and their hash is all that is stored', async () => {
    const { id, key, prefix } = await newKey();
    expect(key).toMatch(/^svk_[\w-]{43}$/);
    expect(key.startsWith(prefix)).toBe(true);
    const { body } = await call('GET', '/api/v1/api-keys', { token: user.token });
    const listed = body.data.find((entry: { id: string }) => entry.id === id);
    expect(listed).toMatchObject({ prefix, scopes: ['projects:read'], revokedAt: null });
    expect(JSON.stringify(body)).not.toContain(key);
    const { rows } = await owner.query('SELECT api_keys::text AS row FROM api_keys WHERE id = $1', [id]);
    expect(rows[0].row).not.toContain(key.slice(prefix.length));
  });

  it('have names that tell those apart that work', async () => {
    const name = randomUUID();
    const body = { name, scopes: ['projects:read'] };
    const make = () => call('POST', '/api/v1/api-keys', { token: user.token, body });
    const first = await make();
    expect([first.status, (await make()).body.code]).toEqual([201, 'API_KEY_NAME_TAKEN']);
    await call('DELETE', `/api/v1/api-keys/${first.body.data.id}`, { token: user.token });
    expect((await make()).status).toBe(201);
  });

  it('act as their user, as far as their scopes reach', async () => {
    const project = await newProject(user);
    const { key } = await newKey();
    const read = await call('GET', `/api/v1/projects/${project.id}`, { token: key });
    expect(read.status).toBe(200);
    const write = await call('POST', '/api/v1/projects', { token: key, body: { name: 'x' } });
    expect(write).toMatchObject({ status: 403, body: { code: 'INSUFFICIENT_SCOPE' } });
    const usage = await call('GET', '/api/v1/analytics/usage?startDate=2026-01-01&endDate=2026-01-02', {
      token: key,
    });
    expect(usage.status).toBe(403);
  });

  it('cannot manage keys, whatever their scopes', async () => {
    const { id, key } = await newKey({ scopes: ['projects:read', 'projects:write', 'analytics:read'] });
    for (const [method, path, body] of [
      ['GET', '/api/v1/api-keys', undefined],
      ['POST', '/api/v1/api-keys', { name: 'more', scopes: ['projects:write'] }],
      ['DELETE', `/api/v1/api-keys/${id}`, undefined],
    ] as const) {
      expect((await call(method, path, { token: key, body })).status).toBe(403);
    }
  });

  it('fail from the moment at which they are revoked', async () => {
    const { id, key } = await newKey();
    expect((await call('GET', '/api/v1/projects', { token: key })).status).toBe(200);
    expect((await call('DELETE', `/api/v1/api-keys/${id}`, { token: user.token })).status).toBe(204);
    expect((await call('GET', '/api/v1/projects', { token: key })).status).toBe(401);
    expect((await call('DELETE', `/api/v1/api-keys/${id}`, { token: user.token })).status).toBe(404);
  });

  it('expire', async () => {
    const { id, key } = await newKey({ expiresAt: new Date(Date.now() + 60_000).toISOString() });
    expect((await call('GET', '/api/v1/projects', { token: key })).status).toBe(200);
    await owner.query('UPDATE api_keys SET expires_at = now() WHERE id = $1', [id]);
    expect((await call('GET', '/api/v1/projects', { token: key })).status).toBe(401);
    const past = await call('POST', '/api/v1/api-keys', {
      token: user.token,
      body: { name: 'x', scopes: ['projects:read'], expiresAt: '2020-01-01T00:00:00Z' },
    });
    expect(past.body.errors).toEqual([{ pointer: '/expiresAt', message: 'must be in the future' }]);
  });

  it('tell when they were last used', async () => {
    const { id, key } = await newKey();
    await call('GET', '/api/v1/projects', { token: key });
    const { rows } = await owner.query(
      `SELECT last_used_at > now() - interval '1 minute' AS recent FROM api_keys WHERE id = $1`,
      [id],
    );
    expect(rows).toEqual([{ recent: true }]);
  });

  it("are nobody else's", async () => {
    const stranger = await newUser();
    const { id } = await newKey();
    expect((await call('DELETE', `/api/v1/api-keys/${id}`, { token: stranger.token })).status).toBe(404);
    expect((await call('GET', '/api/v1/api-keys', { token: stranger.token })).body.data).toEqual([]);
  });

  it('are made, revoked and misused on record', async () => {
    const { id, key } = await newKey();
    await call('POST', '/api/v1/projects', { token: key, body: { name: 'x' } });
    await call('DELETE', `/api/v1/api-keys/${id}`, { token: user.token });
    await vi.waitFor(async () => {
      const { rows } = await owner.query(
        `SELECT event_type FROM security_events WHERE metadata ->> 'keyId' = $1 ORDER BY event_type`,
        [id],
      );
      expect(rows.map(({ event_type }) => event_type)).toEqual([
        'access.denied',
        'api_key.created',
        'api_key.revoked',
      ]);
    });
  });
});
