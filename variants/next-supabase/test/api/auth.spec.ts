import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { call, newUser } from '../support/api';
import { connectOwner } from '../support/database';

const PUBLIC = ['/api/v1/auth/session', '/api/v1/projects', '/api/v1/api-keys', '/api/v1/analytics/usage'];

let owner: pg.Pool;
beforeAll(() => {
  owner = connectOwner();
});
afterAll(() => owner.end());

describe('signing in', () => {
  it('signs up, signs in, refreshes and signs out', async () => {
    const user = await newUser();
    const { email, password } = user;
    const signedIn = await call('POST', '/api/v1/auth/sign-in', { body: { email, password } });
    expect(signedIn.status).toBe(200);
    expect(signedIn.body.data.user).toEqual({ id: user.id, email });

    const { refreshToken } = signedIn.body.data;
    const refreshed = await call('POST', '/api/v1/auth/refresh', { body: { refreshToken } });
    expect(refreshed.status).toBe(200);
    const token = refreshed.body.data.accessToken;
    expect((await call('GET', '/api/v1/auth/session', { token })).body.data.userId).toBe(user.id);

    expect((await call('POST', '/api/v1/auth/sign-out', { token, body: {} })).status).toBe(204);
    // At once here, and within a second in other processes, although the token itself is good for an hour.
    expect((await call('GET', '/api/v1/auth/session', { token })).status).toBe(401);
    expect((await call('GET', '/api/v1/auth/session', { token: user.token })).status).toBe(200);
  });

  it.each([
    ['a wrong password', { password: 'wrong' }],
    ['an address that nobody has', { email: `${randomUUID()}@example.com` }],
  ])('refuses %s in the same words', async (_, change) => {
    const { email, password } = await newUser();
    const answer = await call('POST', '/api/v1/auth/sign-in', { body: { email, password, ...change } });
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject({
      code: 'INVALID_CREDENTIALS',
      detail: 'The address or the password is not right.',
    });
  });

  it('keeps failed sign-ins as security events', async () => {
    const requestId = randomUUID();
    await call('POST', '/api/v1/auth/sign-in', {
      body: { email: 'nobody@example.com', password: 'wrong' },
      headers: { 'x-request-id': requestId },
    });
    await vi.waitFor(async () => {
      const { rows } = await owner.query('SELECT event_type, ip FROM security_events WHERE request_id = $1', [
        requestId,
      ]);
      expect(rows).toEqual([{ event_type: 'auth.sign_in_failed', ip: '127.0.0.1' }]);
    });
  });

  it('says that an address is taken, and that a password is short', async () => {
    const { email, password } = await newUser();
    expect((await call('POST', '/api/v1/auth/sign-up', { body: { email, password } })).body.code).toBe(
      'EMAIL_TAKEN',
    );
    const short = await call('POST', '/api/v1/auth/sign-up', {
      body: { email: `${randomUUID()}@example.com`, password: 'short' },
    });
    expect(short.body.details).toEqual([{ pointer: '/password', message: expect.any(String) }]);
  });

  it('refuses a refresh token that it has never given', async () => {
    const answer = await call('POST', '/api/v1/auth/refresh', { body: { refreshToken: 'guessed' } });
    expect(answer).toMatchObject({ status: 401, body: { code: 'INVALID_REFRESH_TOKEN' } });
  });

  it('shuts out a user who is banned, within a second', async () => {
    const user = await newUser();
    expect((await call('GET', '/api/v1/projects', { token: user.token })).status).toBe(200);
    await owner.query(`UPDATE auth.users SET banned_until = now() + interval '1 hour' WHERE id = $1`, [
      user.id,
    ]);
    await vi.waitFor(
      async () => expect((await call('GET', '/api/v1/projects', { token: user.token })).status).toBe(401),
      { timeout: 2_000, interval: 50 },
    );
  });
});

describe('access tokens', () => {
  it.each(PUBLIC)('are needed for %s', async (path) => {
    const answer = await call('GET', path);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(answer.body).toMatchObject({ code: 'UNAUTHORIZED', error: 'Unauthorized' });
  });

  const now = () => Math.floor(Date.now() / 1000);
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claimsOf = (token: string) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

  it.each<[fault: string, forge: (token: string) => Promise<string> | string]>([
    ['cut short', (token) => token.slice(0, -8)],
    ['without a signature', (token) => `${encode({ alg: 'none' })}.${token.split('.')[1]}.`],
    [
      'with other claims',
      (token) => {
        const [head, , signature] = token.split('.');
        return `${head}.${encode({ ...claimsOf(token), sub: randomUUID() })}.${signature}`;
      },
    ],
    [
      'signed by another key of the same name',
      async (token) => {
        const { privateKey } = await generateKeyPair('ES256');
        const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
        return new SignJWT(claimsOf(token)).setProtectedHeader(header).sign(privateKey);
      },
    ],
    [
      'that bring their own key',
      async (token) => {
        const { privateKey, publicKey } = await generateKeyPair('ES256');
        const header = { alg: 'ES256', jwk: await exportJWK(publicKey) };
        return new SignJWT(claimsOf(token)).setProtectedHeader(header).sign(privateKey);
      },
    ],
    [
      'signed with the public key as a shared secret',
      async (token) => {
        const jwks = await (await fetch(`${process.env.SUPABASE_URL}/auth/v1/.well-known/jwks.json`)).text();
        return new SignJWT({ ...claimsOf(token), exp: now() + 60 })
          .setProtectedHeader({ alg: 'HS256' })
          .sign(new TextEncoder().encode(jwks));
      },
    ],
  ])('are refused %s', async (_, forge) => {
    const user = await newUser();
    const answer = await call('GET', '/api/v1/projects', { token: await forge(user.token) });
    expect(answer.status).toBe(401);
  });
});
