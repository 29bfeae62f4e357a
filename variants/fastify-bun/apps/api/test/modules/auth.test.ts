import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'bun:test';
import type pg from 'pg';
import { forgetExpired } from '../../src/shared/db/expired.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Answer, startService, type TestService } from '../support/service.js';
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

/** Follows the newest link that confirms an address: the page to which it leads, and the token that the page has. */
async function followLink(from: TestService, email: string): Promise<{ page: string; token: string }> {
  const mails = (await from.mails()).filter((text) => text.includes(`To: ${email}\n`));
  const { pathname, search } = new URL(/https?:\S+verify-email\S+/.exec(mails.at(-1) ?? '')?.[0] ?? '');
  const { status, headers } = await from.get(pathname + search);
  expect(status).toBe(302);
  const page = new URL(headers.get('location') ?? '');
  return { page: page.origin + page.pathname, token: page.searchParams.get('token') ?? '' };
}

/** Does something while a request waits to write to a table. */
async function whileWriting(
  table: string,
  request: () => Promise<Answer>,
  interfere: (client: pg.PoolClient) => Promise<unknown>,
): Promise<Answer> {
  const client = await database.owner.connect();
  try {
    await client.query(`BEGIN; LOCK TABLE ${table} IN SHARE MODE`);
    const answer = request();
    await waitFor(async () => (await countWaiting()) === 1);
    await interfere(client);
    await client.query('COMMIT');
    return await answer;
  } finally {
    client.release(true);
  }
}

async function countWaiting(): Promise<number> {
  const { rows } = await database.owner.query(
    'SELECT count(DISTINCT pid)::int FROM pg_locks WHERE NOT granted',
  );
  return rows[0].count;
}

const countOf = async (table: string, userId: string): Promise<number> =>
  (await database.owner.query(`SELECT count(*)::int FROM ${table} WHERE user_id = $1`, [userId])).rows[0]
    .count;

const replacePassword = (client: pg.PoolClient, userId: string) =>
  client.query(`UPDATE accounts SET password = 'replaced' WHERE user_id = $1`, [userId]);

async function resetToken(from: TestService, email: string): Promise<string> {
  await from.post('/api/auth/request-password-reset', { email });
  const mail = (await from.mails()).filter((text) => text.includes(`To: ${email}\n`)).at(-1) ?? '';
  return /reset-password\/([\w-]+)/.exec(mail)?.[1] ?? '';
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
    const given = { id: '0', emailVerified: true, createdAt: '2001-01-01T00:00:00Z', role: 'admin' };
    const { status, body } = await service.post('/api/auth/sign-up/email', {
      name: 'M',
      email: 'mallory@example.com',
      password: PASSWORD,
      ...given,
    });
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
      '/createdAt',
      '/emailVerified',
      '/id',
      '/role',
    ]);
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

  it.each([undefined, true, false])('ends elsewhere when the password is changed: %p', async (wanted) => {
    const { email, auth } = await signUp(service);
    const elsewhere = (await signIn(email, PASSWORD)).body.token;
    const change = {
      currentPassword: PASSWORD,
      newPassword: 'another good one',
      revokeOtherSessions: wanted,
    };
    const { status, body } = await service.post('/api/auth/change-password', change, auth);
    expect(status).toBe(200);
    expect((await whoAmI({ authorization: `Bearer ${elsewhere}` })).status).toBe(401);
    expect((await whoAmI({ authorization: `Bearer ${body.token}` })).status).toBe(200);
    expect((await signIn(email, PASSWORD)).status).toBe(401);
  });

  it('leads to no session if the password is replaced meanwhile', async () => {
    const { id, email } = await signUp(service);
    const { status, body } = await whileWriting(
      'sessions',
      () => signIn(email, PASSWORD),
      (client) => replacePassword(client, id),
    );
    expect([status, body.code]).toEqual([401, 'INVALID_EMAIL_OR_PASSWORD']);
    expect(await countOf('sessions', id)).toBe(1);
  });

  it('is refused before the address is confirmed, where that is demanded', async () => {
    const strict = await startService(database, { AUTH_REQUIRE_VERIFIED_EMAIL: 'true' });
    try {
      const email = 'unconfirmed@example.com';
      const user = { name: 'Una', email, password: PASSWORD };
      expect((await strict.post('/api/auth/sign-up/email', user)).body.token).toBeNull();
      const refused = await strict.post('/api/auth/sign-in/email', { email, password: PASSWORD });
      expect([refused.status, refused.body.code]).toEqual([403, 'EMAIL_NOT_VERIFIED']);
      const { token, page } = await followLink(strict, email);
      expect(page).toBe('http://localhost/api/auth/instructions/verify-email');
      const instructions = await fetch(
        `${strict.url}${new URL(page).pathname}?token=${encodeURIComponent(token)}`,
      );
      expect([instructions.status, await instructions.text()]).toEqual([200, expect.stringContaining(token)]);
      const confirm = { token, password: PASSWORD };
      expect((await strict.post('/api/auth/verify-email', confirm)).status).toBe(200);
      expect((await strict.post('/api/auth/sign-in/email', { email, password: PASSWORD })).status).toBe(200);
    } finally {
      await strict.stop();
    }
  });
});

describe('a sign-up with the address of somebody else', () => {
  const STRANGERS = 'chosen by a stranger';
  let strict: TestService;
  let email: string;
  const signInWith = async (password: string) =>
    (await strict.post('/api/auth/sign-in/email', { email, password })).status;
  const confirmWith = async (password: string, token: string) =>
    (await strict.post('/api/auth/verify-email', { token, password })).status;

  beforeAll(async () => {
    strict = await startService(database, { AUTH_REQUIRE_VERIFIED_EMAIL: 'true' });
  });
  beforeEach(async () => {
    email = `victim-${crypto.randomUUID()}@example.com`;
    await strict.post('/api/auth/sign-up/email', { name: 'Eve', email, password: STRANGERS });
  });
  afterAll(() => strict.stop());

  it('does not become an account because its owner follows the link', async () => {
    const { token } = await followLink(strict, email);
    expect(await signInWith(STRANGERS)).toBe(403);
    expect(await confirmWith('a guess of the owner', token)).toBe(401);
    expect(await signInWith(STRANGERS)).toBe(403);
  });

  it('is replaced by the sign-up of the owner', async () => {
    const own = { name: 'Ada', email: email.toUpperCase(), password: PASSWORD };
    const { status, body } = await strict.post('/api/auth/sign-up/email', own);
    expect([status, body.token]).toEqual([200, null]);
    const { token } = await followLink(strict, email);
    expect(await confirmWith(STRANGERS, token)).toBe(401);
    expect(await confirmWith(PASSWORD, token)).toBe(200);
    expect(await signInWith(STRANGERS)).toBe(401);
    const signedIn = await strict.post('/api/auth/sign-in/email', { email, password: PASSWORD });
    expect([signedIn.status, signedIn.body.user.name]).toEqual([200, 'Ada']);

    // A confirmed account is nobody's to replace.
    await strict.post('/api/auth/sign-up/email', { name: 'Eve', email, password: STRANGERS });
    expect([await signInWith(STRANGERS), await signInWith(PASSWORD)]).toEqual([401, 200]);
  });

  it('is taken over by the owner with a password reset, which confirms the address', async () => {
    await strict.post('/api/auth/request-password-reset', { email });
    const token = /reset-password\/([\w-]+)/.exec((await strict.mails()).at(-1) ?? '')?.[1] ?? '';
    const reset = await strict.post('/api/auth/reset-password', { token, newPassword: PASSWORD });
    expect(reset.status).toBe(200);
    expect([await signInWith(STRANGERS), await signInWith(PASSWORD)]).toEqual([401, 200]);
  });

  it('leads to the page that either sign-up has named, and to no foreign one', async () => {
    const own = { name: 'Ada', email, password: PASSWORD, callbackURL: '/confirm' };
    await strict.post('/api/auth/sign-up/email', own);
    expect((await followLink(strict, email)).page).toBe('http://localhost/confirm');
    const other = { ...own, email: `other-${email}` };
    await strict.post('/api/auth/sign-up/email', other);
    expect((await followLink(strict, other.email)).page).toBe('http://localhost/confirm');
    const evil = { ...own, email: `evil-${email}`, callbackURL: 'https://evil.example/' };
    const { status, body } = await strict.post('/api/auth/sign-up/email', evil);
    expect([status, body.code]).toEqual([403, 'INVALID_CALLBACK_URL']);
  });

  it('does not get the password of a reset that is under way', async () => {
    const token = await resetToken(strict, email);
    const again = { name: 'Eve', email, password: STRANGERS };
    let signedUp: Promise<unknown> | undefined;
    const reset = await whileWriting(
      'api_keys',
      () => strict.post('/api/auth/reset-password', { token, newPassword: PASSWORD }),
      async () => {
        let isOver = false;
        signedUp = strict.post('/api/auth/sign-up/email', again).then(() => {
          isOver = true;
        });
        await waitFor(async () => isOver || (await countWaiting()) === 2);
      },
    );
    await signedUp;
    expect(reset.status).toBe(200);
    expect([await signInWith(STRANGERS), await signInWith(PASSWORD)]).toEqual([401, 200]);
  });

  it('does not replace an account that was used without a confirmed address', async () => {
    const used = await signUp(service);
    await service.post('/chats', { title: 'Mine', model: 'm' }, used.auth);
    await service.post('/api/auth/sign-out', undefined, used.auth);
    await strict.post('/api/auth/sign-up/email', { name: 'Eve', email: used.email, password: STRANGERS });
    expect((await signIn(used.email, PASSWORD)).status).toBe(200);
  });

  it('leads to no foreign page', async () => {
    const { token } = await followLink(strict, email);
    for (const callbackURL of ['https://evil.example/', '//evil.example/', '/\\evil.example']) {
      const query = new URLSearchParams({ token, callbackURL });
      const { status, body } = await strict.get(`/api/auth/verify-email?${query}`);
      expect([status, body.code]).toEqual([403, 'INVALID_CALLBACK_URL']);
    }
    const { headers } = await strict.get('/api/auth/verify-email?token=invented&callbackURL=/page');
    expect(headers.get('location')).toBe('http://localhost/page?error=INVALID_TOKEN');
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

  it('is forgotten with its session when that has expired, as are API keys and links', async () => {
    const { id, email, auth } = await signUp(service);
    const old = await service.post('/api/auth/api-key/create', { name: 'old', expiresIn: 86_400 }, auth);
    await service.post('/api/auth/api-key/create', { name: 'new' }, auth);
    await service.post('/api/auth/request-password-reset', { email });
    await forgetExpired(service.app.db, new Date(old.body.expiresAt));
    expect([await countOf('sessions', id), await countOf('api_keys', id)]).toEqual([1, 2]);
    await forgetExpired(service.app.db, new Date(Date.now() + 8 * 86_400_000));
    expect([await countOf('sessions', id), await countOf('api_keys', id)]).toEqual([0, 1]);
    const { rows } = await database.owner.query('SELECT FROM verifications WHERE value = $1', [id]);
    expect(rows).toHaveLength(0);
  });

  it('expires', async () => {
    const { id, auth } = await signUp(service);
    await database.owner.query(`UPDATE sessions SET expires_at = now() - interval '1 s' WHERE user_id = $1`, [
      id,
    ]);
    expect((await whoAmI(auth)).status).toBe(401);
  });
});

describe('a password change', () => {
  const change = { currentPassword: PASSWORD, newPassword: 'another good one' };

  it('does not happen if the password is replaced while it is checked', async () => {
    const { id, auth } = await signUp(service);
    const { status, body } = await whileWriting(
      'sessions',
      () => service.post('/api/auth/change-password', change, auth),
      (client) => replacePassword(client, id),
    );
    expect([status, body.code]).toEqual([400, 'INVALID_PASSWORD']);
    const { rows } = await database.owner.query('SELECT password FROM accounts WHERE user_id = $1', [id]);
    expect(rows[0].password).toBe('replaced');
    expect(await countOf('sessions', id)).toBe(1);
  });

  it.each(['change', 'reset'])('by %s happens whole or not at all', async (means) => {
    const { email, auth } = await signUp(service);
    const token = await resetToken(service, email);
    const attempt = () =>
      means === 'change'
        ? service.post('/api/auth/change-password', change, auth)
        : service.post('/api/auth/reset-password', { token, newPassword: change.newPassword });
    const role = new URL(database.url).username;
    await database.owner.query(`REVOKE DELETE ON api_keys FROM ${role}`);
    try {
      expect((await attempt()).status).toBe(500);
    } finally {
      await database.owner.query(`GRANT DELETE ON api_keys TO ${role}`);
    }
    expect((await whoAmI(auth)).status).toBe(200);
    expect((await signIn(email, PASSWORD)).status).toBe(200);
    expect((await attempt()).status).toBe(200);
    expect((await whoAmI(auth)).status).toBe(401);
    expect((await signIn(email, change.newPassword)).status).toBe(200);
  });

  it('says what is wrong with the current password', async () => {
    const { auth } = await signUp(service);
    const wrong = { ...change, currentPassword: 'a whole new one' };
    const { status, body } = await service.post('/api/auth/change-password', wrong, auth);
    expect([status, body.code]).toEqual([400, 'INVALID_PASSWORD']);
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

  it('leads to instructions where no page asked for it', async () => {
    const { email } = await signUp(service);
    await service.post('/api/auth/request-password-reset', { email });
    const mail = (await service.mails()).filter((text) => text.includes(`To: ${email}\n`)).at(-1) ?? '';
    const { pathname, search } = new URL(/https?:\S+reset-password\S+/.exec(mail)?.[0] ?? '');
    const { headers } = await service.get(pathname + search);
    const page = new URL(headers.get('location') ?? '');
    const instructions = await fetch(service.url + page.pathname + page.search);
    expect(instructions.status).toBe(200);
    expect(await instructions.text()).toContain(page.searchParams.get('token') ?? 'no token');
    const guess = await service.get(pathname.replace(/[\w-]+$/, 'guess') + search);
    const refused = await fetch(service.url + new URL(guess.headers.get('location') ?? '').pathname);
    expect(await refused.text()).toBe('The link is invalid or expired. Request another one.\n');
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
  it.each(['change', 'reset'])('ends with the password, by %s', async (means) => {
    const { email, auth } = await signUp(service);
    const { key } = (await service.post('/api/auth/api-key/create', { name: 'backup' }, auth)).body;
    expect((await service.get('/users/me', { 'x-api-key': key })).status).toBe(200);
    if (means === 'change') {
      const change = { currentPassword: PASSWORD, newPassword: 'another good one' };
      expect((await service.post('/api/auth/change-password', change, auth)).status).toBe(200);
    } else {
      await service.post('/api/auth/request-password-reset', { email });
      const mail = (await service.mails()).filter((text) => text.includes(email)).at(-1) ?? '';
      const token = /reset-password\/([\w-]+)/.exec(mail)?.[1] ?? '';
      const reset = { token, newPassword: 'another good one' };
      expect((await service.post('/api/auth/reset-password', reset)).status).toBe(200);
    }
    expect((await service.get('/users/me', { 'x-api-key': key })).status).toBe(401);
  });

  it('is not created by a session that ends meanwhile', async () => {
    const { id, auth } = await signUp(service);
    const { status, body } = await whileWriting(
      'api_keys',
      () => service.post('/api/auth/api-key/create', { name: 'backup' }, auth),
      (client) => client.query('DELETE FROM sessions WHERE user_id = $1', [id]),
    );
    expect([status, body.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(await countOf('api_keys', id)).toBe(0);
  });

  it('is one of 50 at most', async () => {
    const { id, auth } = await signUp(service);
    await database.owner.query(
      `INSERT INTO api_keys (id, user_id, key)
         SELECT gen_random_uuid(), $1, 'k' || gen_random_uuid() FROM generate_series(1, 49)`,
      [id],
    );
    const create = () => service.post('/api/auth/api-key/create', { name: 'backup' }, auth);
    expect((await create()).status).toBe(200);
    const { status, body } = await create();
    expect([status, body.code]).toEqual([409, 'TOO_MANY_API_KEYS']);
    expect(await countOf('api_keys', id)).toBe(50);
  });

  it('is created only soon after a login', async () => {
    const { id, auth } = await signUp(service);
    await database.owner.query(
      `UPDATE sessions SET created_at = now() - interval '601 s' WHERE user_id = $1`,
      [id],
    );
    const { status, body } = await service.post('/api/auth/api-key/create', { name: 'backup' }, auth);
    expect([status, body.code]).toEqual([403, 'SESSION_NOT_FRESH']);
  });

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
