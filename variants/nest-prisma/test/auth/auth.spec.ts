import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import {
  anEmail,
  asClient,
  type Client,
  changeAccount,
  createCustomer,
  join,
  newMember,
  newOwner,
  serviceToken,
  signIn,
} from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

let stored: TestDatabase;
let service: TestService;
let owner: Client;

beforeAll(async () => {
  stored = await createDatabase();
  service = await startService(stored, { AUTH_CACHE_SECONDS: '0' });
  owner = await newOwner(service);
});

afterAll(async () => {
  await service.stop();
  await stored.drop();
});

/** Asks for customers with a token. */
const withToken = (token: string) =>
  service.get('/api/v1/customers', {
    authorization: `Bearer ${token}`,
    'x-organization-id': owner.organizationId,
  });

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** An ID token with other claims than the issuer gave it. */
function forge(token: string, change: object): string {
  const [header, payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return `${header}.${encode({ ...claims, ...change })}.`;
}

describe('without a good token', () => {
  it('every operation of the document is refused, but for those that are public', async () => {
    const { body: document } = await service.get('/openapi.json');
    const operations = Object.entries(document.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => [method.toUpperCase(), path] as const),
    );
    expect(operations.length).toBeGreaterThan(20);
    for (const [method, path] of operations) {
      const { status, body, headers } = await service.request(
        method,
        path.replaceAll(/\{\w+\}/g, randomUUID()),
      );
      expect({ method, path, status, code: body.code }).toEqual({
        method,
        path,
        status: 401,
        code: 'UNAUTHORIZED',
      });
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  it.each<[string, (token: string) => string]>([
    ['is none', () => 'nonsense'],
    ['is cut short', (token) => token.slice(0, -30)],
    ['is for another audience', (token) => forge(token, { aud: 'other' })],
    ['is of another issuer', (token) => forge(token, { iss: 'https://securetoken.google.com/other' })],
    ['is expired', (token) => forge(token, { exp: 1_000 })],
    ['names nobody', (token) => forge(token, { sub: '' })],
    ['names somebody whom Firebase does not know', (token) => forge(token, { sub: 'stranger' })],
    ['has no address', (token) => forge(token, { email: undefined })],
  ])('that %s, the answer is 401', async (_what, change) => {
    const { status, body } = await withToken(change(owner.token));
    expect({ status, code: body.code }).toEqual({ status: 401, code: 'UNAUTHORIZED' });
  });

  it('an unsigned one is refused where the service takes those of Firebase itself', async () => {
    // As in production: without the local issuer. The algorithm is looked at before Google's keys are fetched.
    const host = process.env.FIREBASE_AUTH_EMULATOR_HOST;
    delete process.env.FIREBASE_AUTH_EMULATOR_HOST;
    const real = await startService(stored, { FIREBASE_AUTH_EMULATOR_HOST: '' });
    process.env.FIREBASE_AUTH_EMULATOR_HOST = host;
    try {
      const { status } = await real.get('/api/v1/customers', { authorization: `Bearer ${owner.token}` });
      expect(status).toBe(401);
    } finally {
      await real.stop();
    }
  });

  it('of a user who is disabled, or whose tokens were revoked, the answer is 401', async () => {
    for (const change of [{ disableUser: true }, { validSince: Math.floor(Date.now() / 1_000) + 60 }]) {
      const client = await newOwner(service);
      expect((await client.get('/api/v1/customers')).status).toBe(200);
      await changeAccount(client.email, change);
      expect((await client.get('/api/v1/customers')).status).toBe(401);
    }
  });

  it('what was checked is remembered for as long as AUTH_CACHE_SECONDS says, and no longer', async () => {
    const remembering = await startService(stored, { AUTH_CACHE_SECONDS: '1' });
    try {
      const email = anEmail();
      const client = await newOwner(remembering);
      expect((await client.get('/api/v1/customers')).status).toBe(200);
      await changeAccount(client.email, { disableUser: true });
      expect((await client.get('/api/v1/customers')).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      expect((await client.get('/api/v1/customers')).status).toBe(401);
      expect(email).toBeDefined();
    } finally {
      await remembering.stop();
    }
  });
});

describe('whoever signs in', () => {
  it('is made a user once, also by requests at the same moment', async () => {
    const token = await signIn(anEmail());
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => service.get('/api/v1/me', { authorization: `Bearer ${token}` })),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.userId}`)).size).toBe(1);
    expect(answers[0]?.body.memberships).toEqual([]);
  });

  it('and is a member of nothing is told to make an organization', async () => {
    const authorization = `Bearer ${await signIn(anEmail())}`;
    const { status, body } = await service.get('/api/v1/customers', { authorization });
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'NO_ORGANIZATION' });
  });

  it('and is a member of several names one', async () => {
    const other = await newOwner(service);
    await join(service, other, owner.email, 'VIEWER');
    const both = await asClient(service, owner.email, other.organizationId);
    const authorization = `Bearer ${both.token}`;
    const unnamed = await service.get('/api/v1/customers', { authorization });
    expect({ status: unnamed.status, code: unnamed.body.code }).toEqual({
      status: 400,
      code: 'ORGANIZATION_REQUIRED',
    });
    expect((await both.get('/api/v1/customers')).status).toBe(200);
    const { body } = await service.get('/api/v1/me', { authorization });
    expect(body.memberships.map(({ role }: { role: string }) => role)).toEqual(['OWNER', 'VIEWER']);
    await other.remove(`/api/v1/members/${both.userId}`);
    expect((await both.get('/api/v1/customers')).status).toBe(403);
  });

  it('cannot act for an organization of others, nor learn whether it is there', async () => {
    const stranger = await newOwner(service);
    const answers = await Promise.all(
      [owner.organizationId, randomUUID()].map((id) =>
        stranger.get('/api/v1/customers', { 'x-organization-id': id, 'x-request-id': 'same' }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([403, 403]);
    expect(answers[0]?.body).toEqual(answers[1]?.body);
  });

  it('has no role from the claims of the token', async () => {
    const viewer = await newMember(service, owner, 'VIEWER');
    const token = forge(viewer.token, { role: 'OWNER', admin: true });
    const { status } = await service.post(
      '/api/v1/customers',
      { name: 'x', email: anEmail() },
      { authorization: `Bearer ${token}`, 'x-organization-id': owner.organizationId },
    );
    expect(status).toBe(403);
  });
});

describe('roles', () => {
  it.each([
    ['VIEWER', 200, 403, 403],
    ['MEMBER', 200, 201, 403],
    ['ADMIN', 200, 201, 200],
  ] as const)('%s: reading %i, writing %i, the audit log %i', async (role, read, write, audit) => {
    const member = await newMember(service, owner, role);
    expect((await member.get('/api/v1/customers')).status).toBe(read);
    const written = await member.post('/api/v1/customers', { name: 'x', email: anEmail() });
    expect(written.status).toBe(write);
    expect((await member.get('/api/v1/audit-log')).status).toBe(audit);
  });
});

describe('another service', () => {
  it('acts for the organization that its token names', async () => {
    const customer = await createCustomer(owner);
    const authorization = `Bearer ${await serviceToken(owner.organizationId)}`;
    const found = await service.get(`/api/v1/customers/${customer.id}`, { authorization });
    expect(found.status).toBe(200);
    const created = await service.post(
      '/api/v1/customers',
      { name: 'x', email: anEmail() },
      { authorization },
    );
    expect({ status: created.status, createdBy: created.body.createdBy }).toEqual({
      status: 201,
      createdBy: null,
    });
    expect((await service.get('/api/v1/audit-log', { authorization })).status).toBe(403);
    expect((await service.get('/api/v1/me', { authorization })).status).toBe(403);
    const stranger = await newOwner(service);
    const other = { authorization, 'x-organization-id': stranger.organizationId };
    expect((await service.get('/api/v1/customers', other)).status).toBe(403);
  });

  it.each<[string, Parameters<typeof serviceToken>[1]]>([
    ['signed with another key', { key: 'f'.repeat(64) }],
    ['for another audience', { audience: 'other' }],
    ['older than five minutes', { issuedAt: Math.floor(Date.now() / 1_000) - 301 }],
    ['from the future', { issuedAt: Math.floor(Date.now() / 1_000) + 600 }],
    ['for no organization', { claims: { organization_id: undefined } }],
    ['for something that is none', { claims: { organization_id: '*' } }],
  ])('is refused with a token %s', async (_what, change) => {
    const authorization = `Bearer ${await serviceToken(owner.organizationId, change)}`;
    expect((await service.get('/api/v1/customers', { authorization })).status).toBe(401);
  });
});
