import { afterAll, beforeAll, describe, expect, it } from 'bun:test';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startService, type TestService } from '../support/service.js';
import { PASSWORD, signUp } from '../support/users.js';
import { waitFor } from '../support/wait.js';

let database: TestDatabase;
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
});

afterAll(async () => {
  await service.stop();
  await database.drop();
});

const signIn = (email: string, password: string) =>
  service.post('/api/auth/sign-in/email', { email, password });
const whoAmI = (headers: Record<string, string>) => service.get('/api/auth/get-session', headers);

/** The cookies that an answer sets, as the next request sends them. */
function cookiesOf(headers: Headers): { cookie: string } {
  return {
    cookie: headers
      .getSetCookie()
      .map((each) => each.split(';', 1)[0])
      .join('; '),
  };
}

describe('signing up', () => {
  it('makes a user, logs in and stores the password as an Argon2id hash', async () => {
    const ada = await signUp(service);
    const { rows } = await database.owner.query('SELECT password FROM accounts WHERE user_id = $1', [ada.id]);
    expect(rows[0].password).toStartWith('$argon2id$v=19$m=19456,t=2,p=1$');
    const { status, body } = await whoAmI(ada.auth);
    expect([status, body.user.email]).toEqual([200, ada.email]);
  });

  it('refuses a second user with the same address, however it is written', async () => {
    const { email } = await signUp(service);
    const again = { name: 'Eve', email: email.toUpperCase(), password: PASSWORD };
    const { status, body } = await service.post('/api/auth/sign-up/email', again);
    expect([status, body.code]).toEqual([422, 'USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL']);
  });

  it('takes no member that is not the caller’s to choose', async () => {
    const email = 'mallory@example.com';
    const given = { id: '0', emailVerified: true, createdAt: '2001-01-01T00:00:00Z', role: 'admin' };
    const { body } = await service.post('/api/auth/sign-up/email', {
      name: 'M',
      email,
      password: PASSWORD,
      ...given,
    });
    expect(body.user.emailVerified).toBe(false);
    expect(body.user.id).not.toBe('0');
  });

  it.each([
    ['a short password', { name: 'Ada', email: 'x@example.com', password: 'short' }, '/password'],
    ['no address', { name: 'Ada', email: 'nobody', password: PASSWORD }, '/email'],
    ['a name of control characters', { name: '\u0000', email: 'x@example.com', password: PASSWORD }, '/name'],
  ])('names %s as the fault', async (_, body, pointer) => {
    const answer = await service.post('/api/auth/sign-up/email', body);
    expect([answer.status, answer.body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(answer.body.errors.map((fault: { pointer: string }) => fault.pointer)).toEqual([pointer]);
  });
});

describe('logging in', () => {
  it('gives a bearer token and a cookie, either of which is enough', async () => {
    const { email } = await signUp(service);
    const { status, body, headers } = await signIn(email, PASSWORD);
    expect(status).toBe(200);
    expect(headers.getSetCookie().join()).toMatch(/HttpOnly.*SameSite=Lax/i);
    expect((await whoAmI({ authorization: `Bearer ${body.token}` })).status).toBe(200);
    expect((await whoAmI(cookiesOf(headers))).status).toBe(200);
  });

  it('does not tell whether the address or the password is wrong', async () => {
    const { email } = await signUp(service);
    const [wrong, unknown] = [
      await signIn(email, 'wrong password'),
      await signIn('nobody@example.com', PASSWORD),
    ];
    for (const { status, body } of [wrong, unknown]) {
      expect([status, body.code]).toEqual([401, 'INVALID_EMAIL_OR_PASSWORD']);
    }
    expect(wrong.body.detail).toBe(unknown.body.detail);
  });

  it('ends at once when the user logs out', async () => {
    const { auth } = await signUp(service);
    expect((await service.post('/api/auth/sign-out', undefined, auth)).status).toBe(200);
    expect((await whoAmI(auth)).status).toBe(401);
  });

  it('ends elsewhere when the password is changed, if the user wants that', async () => {
    const { email, auth } = await signUp(service);
    const elsewhere = (await signIn(email, PASSWORD)).body.token;
    const change = { currentPassword: PASSWORD, newPassword: 'another good one', revokeOtherSessions: true };
    const { status, body } = await service.post('/api/auth/change-password', change, auth);
    expect(status).toBe(200);
    expect((await whoAmI({ authorization: `Bearer ${elsewhere}` })).status).toBe(401);
    expect((await whoAmI({ authorization: `Bearer ${body.token}` })).status).toBe(200);
    expect((await signIn(email, PASSWORD)).status).toBe(401);
  });

  it('is refused before the address is confirmed, where that is demanded', async () => {
    const strict = await startService(database, { AUTH_REQUIRE_VERIFIED_EMAIL: 'true' });
    try {
      const email = 'unconfirmed@example.com';
      const user = { name: 'Una', email, password: PASSWORD };
      expect((await strict.post('/api/auth/sign-up/email', user)).body.token).toBeNull();
      const refused = await strict.post('/api/auth/sign-in/email', { email, password: PASSWORD });
      expect([refused.status, refused.body.code]).toEqual([403, 'EMAIL_NOT_VERIFIED']);
      const link =
        (await strict.mails()).find((mail) => mail.includes(email))?.match(/https?:\S+/)?.[0] ?? '';
      const { pathname, searchParams } = new URL(link);
      const token = searchParams.get('token') ?? '';
      expect((await strict.get(`${pathname}?token=${encodeURIComponent(token)}`)).status).toBe(200);
      expect((await strict.post('/api/auth/sign-in/email', { email, password: PASSWORD })).status).toBe(200);
    } finally {
      await strict.stop();
    }
  });
});

describe('a session that was ended', () => {
  it('is noticed at once in the process that ended it, and in others within SESSION_CACHE_MS', async () => {
    const other = await startService(database, { SESSION_CACHE_MS: '300' });
    try {
      const { auth } = await signUp(service);
      for (const process of [service, other]) expect((await process.get('/users/me', auth)).status).toBe(200);
      await service.post('/api/auth/sign-out', undefined, auth);
      expect((await service.get('/users/me', auth)).status).toBe(401);
      // What changes the account asks in any case.
      expect((await other.patch('/users/me', { name: 'x' }, auth)).status).toBe(401);
      await waitFor(async () => (await other.get('/users/me', auth)).status === 401);
    } finally {
      await other.stop();
    }
  });
});

describe('a bearer token', () => {
  it.each([
    ['nothing', {}],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic YWRhOnB3' }],
    ['an invented one', { authorization: `Bearer ${'a'.repeat(32)}.${'b'.repeat(43)}=` }],
    // pragma: allowlist nextline secret
    ['one of three parts, unsigned', { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.' }],
    ['an invented API key', { 'x-api-key': `key_${'a'.repeat(64)}` }],
    ['a short API key', { 'x-api-key': 'x' }],
    ['an invented cookie', { cookie: 'better-auth.session_token=a.b' }],
  ])('is refused with 401: %s', async (_, headers) => {
    const { status, body } = await whoAmI(headers);
    expect([status, body.code]).toEqual([401, 'UNAUTHORIZED']);
  });

  it('is worth nothing without its signature, or with another', async () => {
    const { auth } = await signUp(service);
    const [token = '', signature = ''] = auth.authorization.replace('Bearer ', '').split('.');
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    for (const forged of [token, `${token}.`, `${token}.${flipped}`, `${token}.${signature.slice(0, 10)}`]) {
      expect((await whoAmI({ authorization: `Bearer ${forged}` })).status).toBe(401);
    }
    const { rows } = await database.owner.query('SELECT token FROM sessions');
    for (const row of rows) expect((await whoAmI({ authorization: `Bearer ${row.token}` })).status).toBe(401);
  });

  it('lasts longer when it is used, once a day', async () => {
    const { id, auth } = await signUp(service);
    const expiry = async () =>
      (await database.owner.query('SELECT expires_at FROM sessions WHERE user_id = $1', [id])).rows[0]
        .expires_at;
    await database.owner.query(
      `UPDATE sessions SET expires_at = now() + interval '5 days' WHERE user_id = $1`,
      [id],
    );
    expect((await service.get('/users/me', auth)).status).toBe(200);
    expect((await expiry()).getTime()).toBeGreaterThan(Date.now() + 6.9 * 86_400_000);
  });

  it('expires', async () => {
    const { id, auth } = await signUp(service);
    await database.owner.query(`UPDATE sessions SET expires_at = now() - interval '1 s' WHERE user_id = $1`, [
      id,
    ]);
    expect((await whoAmI(auth)).status).toBe(401);
  });
});

describe('a password reset', () => {
  it('works once, through the mail, and ends every session', async () => {
    const { email, auth } = await signUp(service);
    await service.post('/api/auth/request-password-reset', { email });
    const mail =
      (await service.mails()).find((text) => text.includes(email) && text.includes('new password')) ?? '';
    const token = /reset-password\/([\w-]+)/.exec(mail)?.[1] ?? '';
    const reset = { token, newPassword: 'a whole new one' };
    expect((await service.post('/api/auth/reset-password', reset)).status).toBe(200);
    expect((await whoAmI(auth)).status).toBe(401);
    expect((await signIn(email, 'a whole new one')).status).toBe(200);
    const again = await service.post('/api/auth/reset-password', reset);
    expect([again.status, again.body.code]).toEqual([400, 'INVALID_TOKEN']);
  });

  it('leads from the mail to the page that asked for it, and to no foreign one', async () => {
    const { email } = await signUp(service);
    const ask = (redirectTo: string) =>
      service.post('/api/auth/request-password-reset', { email, redirectTo });
    expect((await ask('https://evil.example/reset')).body.code).toBe('INVALID_REDIRECT_URL');
    expect((await ask('http://localhost/reset')).status).toBe(200);
    const mail =
      (await service.mails()).find((text) => text.includes(email) && text.includes('new password')) ?? '';
    const { pathname, search } = new URL(/https?:\S+/.exec(mail)?.[0] ?? '');
    const { status, headers } = await service.get(pathname + search);
    expect(status).toBe(302);
    expect(headers.get('location')).toStartWith('http://localhost/reset?token=');
  });

  it('answers alike for an address that nobody has, and sends nothing', async () => {
    const { email } = await signUp(service);
    const before = (await service.mails()).length;
    const unknown = await service.post('/api/auth/request-password-reset', { email: 'no@example.com' });
    expect((await service.mails()).length).toBe(before);
    const known = await service.post('/api/auth/request-password-reset', { email });
    expect([unknown.status, unknown.body]).toEqual([known.status, known.body]);
  });
});

describe('an API key', () => {
  it('is shown once, stored as a hash, and lets a program in', async () => {
    const { id, auth } = await signUp(service);
    const { status, body } = await service.post('/api/auth/api-key/create', { name: 'backup' }, auth);
    expect([status, body.key.startsWith('key_')]).toEqual([200, true]);
    const { rows } = await database.owner.query(
      'SELECT to_jsonb(k)::text AS row FROM api_keys k WHERE user_id = $1',
      [id],
    );
    expect(rows[0].row).not.toContain(body.key);
    const listed = await service.get('/api/auth/api-key/list', auth);
    expect(listed.body.apiKeys.map((key: { name: string }) => key.name)).toEqual(['backup']);
    expect(JSON.stringify(listed.body)).not.toContain(body.key);
    expect((await service.get('/users/me', { 'x-api-key': body.key })).body.id).toBe(id);
  });

  it('cannot change the account, not even make another key', async () => {
    const { auth } = await signUp(service);
    const { key } = (await service.post('/api/auth/api-key/create', { name: 'a' }, auth)).body;
    const made = await service.post('/api/auth/api-key/create', { name: 'b' }, { 'x-api-key': key });
    expect([made.status, made.body.code]).toEqual([403, 'SESSION_REQUIRED']);
  });

  it('is worth nothing once it is deleted, and only its owner can do that', async () => {
    const [ada, eve] = [await signUp(service), await signUp(service)];
    const { id: keyId, key } = (await service.post('/api/auth/api-key/create', { name: 'a' }, ada.auth)).body;
    const stolen = await service.post('/api/auth/api-key/delete', { keyId }, eve.auth);
    expect([stolen.status, stolen.body.code]).toEqual([404, 'KEY_NOT_FOUND']);
    expect((await service.get('/users/me', { 'x-api-key': key })).status).toBe(200);
    expect((await service.post('/api/auth/api-key/delete', { keyId }, ada.auth)).status).toBe(200);
    expect((await service.get('/users/me', { 'x-api-key': key })).status).toBe(401);
  });
});

describe('a page of another origin', () => {
  it('cannot use the cookie of whoever visits it', async () => {
    const { email } = await signUp(service);
    const { cookie } = cookiesOf((await signIn(email, PASSWORD)).headers);
    const foreign = { cookie, origin: 'https://evil.example' };
    const { status, body } = await service.patch('/users/me', { name: 'Owned' }, foreign);
    expect([status, body.code]).toEqual([403, 'ORIGIN_NOT_ALLOWED']);
    expect(
      (await service.patch('/users/me', { name: 'Fine' }, { cookie, origin: 'http://localhost' })).status,
    ).toBe(200);
  });
});

describe('attempts to log in', () => {
  it('are limited per account through two processes, whatever address they claim to come from', async () => {
    const limits = {
      RATE_LIMIT_ENABLED: 'true',
      LOGIN_ATTEMPTS_MAX: '4',
      OTEL_SERVICE_NAME: crypto.randomUUID(),
    };
    const both = [await startService(database, limits), await startService(database, limits)] as const;
    try {
      const attempt = (index: number) =>
        both[index % 2 === 0 ? 0 : 1].post(
          '/api/auth/sign-in/email',
          { email: 'ada@example.com', password: 'wrong password' },
          { 'x-forwarded-for': `203.0.113.${index}` },
        );
      for (const index of [0, 1, 2, 3]) expect((await attempt(index)).status).toBe(401);
      const { status, body, headers } = await attempt(4);
      expect([status, body.code]).toEqual([429, 'RATE_LIMITED']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(headers.get('ratelimit-policy')).toBe('"login-address";q=4;w=900');
    } finally {
      for (const each of both) await each.stop();
    }
  });
});
