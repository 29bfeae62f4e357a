import { createHash, randomUUID } from 'node:crypto';
import { RateLimiterPostgres } from 'rate-limiter-flexible';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../database/test/support/database.js';
import { SecurityLog } from '../src/common/logging/security-log.js';
import { accept, addMember, sendInvitation } from './support/invitations.js';
import { mailsTo, tokenFor } from './support/mails.js';
import { startService, type TestService } from './support/service.js';
import { asClient, type Client, PASSWORD, registerTenant } from './support/tenants.js';

const NEW_PASSWORD = 'another horse battery';
const MAX = 3;
const ACCOUNT_MAX = 30;

let database: TestDatabase;
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database, {
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_MAX: '100000',
    LOGIN_ATTEMPTS_MAX: String(MAX),
    LOGIN_ATTEMPTS_NETWORK_MAX: '20',
    LOGIN_ATTEMPTS_ACCOUNT_MAX: String(ACCOUNT_MAX),
    MAIL_REQUESTS_MAX: '2',
    MAIL_REQUESTS_ADDRESS_MAX: '3',
    MAIL_REQUESTS_NETWORK_MAX: '100',
    TRUST_PROXY: 'true',
  });
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

/** A new address of the documentation network, which no other test fails from. */
const address = () => `2001:db8:${hex()}:${hex()}::1`;
const hex = () => Math.floor(Math.random() * 0xffff).toString(16);
const from = (ip: string) => ({ 'x-forwarded-for': ip });
const logIn = (email: string, ip: string, password = PASSWORD) =>
  service.post('/auth/login', { email, password }, from(ip));
const fail = async (email: string, ip: string, times = MAX) => {
  for (let i = 0; i < times; i += 1) expect((await logIn(email, ip, 'wrong')).status).toBe(401);
};

describe('the login limit', () => {
  let owner: Client;
  beforeAll(async () => {
    owner = await registerTenant(service);
  });

  it('counts failures per account and network, and refuses the right password too', async () => {
    const ip = address();
    await fail(owner.email, ip);
    const { status, headers, body } = await logIn(owner.email, ip);
    expect([status, body.code]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await logIn(owner.email, address())).status).toBe(200);
  });

  it('counts one IPv6 network as one client', async () => {
    const [network] = address().split('::');
    for (let i = 1; i <= MAX; i += 1) await fail(owner.email, `${network}::${i}`, 1);
    expect((await logIn(owner.email, `${network}::ffff`)).status).toBe(429);
  });

  it('does not count successes, and clears failures with one', async () => {
    const ip = address();
    for (let i = 0; i < MAX + 2; i += 1) expect((await logIn(owner.email, ip)).status).toBe(200);
    await fail(owner.email, ip, MAX - 1);
    expect((await logIn(owner.email, ip)).status).toBe(200);
    await fail(owner.email, ip, MAX - 1);
  });

  it('lets no more parallel guesses through than sequential ones', async () => {
    const ip = address();
    const answers = await Promise.all(Array.from({ length: 60 }, () => logIn(owner.email, ip, 'wrong')));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(MAX);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(60 - MAX);
  });

  it('counts failures of a network over all accounts, and lets a known account in', async () => {
    const ip = address();
    expect((await logIn(owner.email, ip)).status).toBe(200);
    for (let i = 0; i < 20; i += 1) expect((await logIn(`${randomUUID()}@example.com`, ip)).status).toBe(401);
    expect((await logIn(`${randomUUID()}@example.com`, ip)).status).toBe(429);
    expect((await logIn(owner.email, ip)).status).toBe(200);
  });

  it('counts failures of an account over all networks, and lets its owner in', async () => {
    const client = await registerTenant(service);
    const [home, hotel] = [address(), address()];
    expect((await logIn(client.email, home)).status).toBe(200);
    for (let i = 0; i < ACCOUNT_MAX; i += 1) await fail(client.email, address(), 1);
    const { status, headers, body } = await logIn(client.email, hotel);
    expect([status, body.code]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(800);
    expect((await logIn(client.email, home)).status).toBe(200);
    // Neither the change of the password nor a reset by mail is refused, also from elsewhere.
    const changed = await service.post(
      '/auth/change-password',
      { currentPassword: PASSWORD, newPassword: PASSWORD },
      { ...from(address()), authorization: `Bearer ${client.accessToken}` },
    );
    expect(changed.status).toBe(200);
    await service.post('/auth/request-password-reset', { email: client.email }, from(hotel));
    const token = await tokenFor(client.email, 'Reset your password');
    const reset = { token, newPassword: NEW_PASSWORD };
    expect((await service.post('/auth/reset-password', reset, from(hotel))).status).toBe(204);
    expect((await logIn(client.email, hotel, NEW_PASSWORD)).status).toBe(200);
  });

  it('does not refuse by attempts that are still running', async () => {
    const { email } = await registerTenant(service);
    const ip = address();
    for (let i = 0; i < 20; i += 1) await fail(`${randomUUID()}@example.com`, ip, 1);
    const lines = captureLog();
    // One of the twenty succeeds after the count was read.
    const read = RateLimiterPostgres.prototype.get;
    const reads = vi.spyOn(RateLimiterPostgres.prototype, 'get').mockImplementation(async function (
      this: RateLimiterPostgres,
      key,
    ) {
      const count = await read.call(this, key);
      if (count?.remainingPoints === 0) await this.reward(key);
      return count;
    });
    expect((await logIn(email, ip)).status).toBe(200);
    reads.mockRestore();
    expect(lines()).toEqual([]);
    await fail(`${randomUUID()}@example.com`, ip, 1);
    expect((await logIn(`${randomUUID()}@example.com`, ip)).status).toBe(429);
  });

  it('knows the network from which an account was registered', async () => {
    const ip = address();
    const registered = `${randomUUID()}@example.com`;
    const account = { email: registered, password: PASSWORD, name: 'Ada', tenantName: 'Acme' };
    expect((await service.post('/auth/register', account, from(ip))).status).toBe(201);
    const { email, token } = await sendInvitation(await registerTenant(service), 'member');
    const invited = { token, name: 'Grace', password: PASSWORD };
    expect((await service.post('/auth/accept-invitation', invited, from(ip))).status).toBe(200);
    for (let i = 0; i < 20; i += 1) await fail(`${randomUUID()}@example.com`, ip, 1);
    expect((await logIn(`${randomUUID()}@example.com`, ip)).status).toBe(429);
    for (const known of [registered, email]) expect((await logIn(known, ip)).status).toBe(200);
  });

  it('writes nothing for attempts that it refuses', async () => {
    const writes = async () => {
      const { rows } = await database.owner.query(
        `SELECT count(*)::int AS rows, sum(points)::int AS points FROM rate_limits WHERE key LIKE 'login-%'`,
      );
      return rows[0];
    };
    const [ip, email] = [address(), `${randomUUID()}@example.com`];
    await fail(email, ip);
    expect((await logIn(email, ip)).status).toBe(429);
    for (let i = 0; i < 20 - MAX; i += 1) await fail(`${randomUUID()}@example.com`, ip, 1);
    const { email: attacked } = await registerTenant(service);
    for (let i = 0; i < ACCOUNT_MAX; i += 1) await fail(attacked, address(), 1);
    const guess = () =>
      service.post('/auth/reset-password', { token: randomUUID(), newPassword: NEW_PASSWORD }, from(ip));
    for (let i = 0; i < 20; i += 1) expect((await guess()).status).toBe(401);
    expect((await guess()).status).toBe(429);
    const before = await writes();
    for (let i = 0; i < 5; i += 1) {
      expect((await logIn(email, ip)).status).toBe(429); // a pair
      expect((await logIn(`${randomUUID()}@example.com`, ip)).status).toBe(429); // a network
      expect((await logIn(attacked, address())).status).toBe(429); // an account
      expect((await guess()).status).toBe(429); // tokens
    }
    expect(await writes()).toEqual(before);
  });

  it('blocks for longer each time that the attempts are used up', async () => {
    const email = `${randomUUID()}@example.com`;
    const ip = address();
    const expire = () =>
      database.owner.query('UPDATE rate_limits SET expire = 0 WHERE key LIKE $1', ['login-pair:%']);
    const waits: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      await fail(email, ip);
      waits.push(Number((await logIn(email, ip)).headers.get('retry-after')));
      await expire();
    }
    expect(waits[0]).toBeLessThanOrEqual(900);
    expect(waits[1]).toBeGreaterThan(1_700);
  });

  it('counts the password of an account that accepts an invitation', async () => {
    const inviter = await registerTenant(service);
    await inviter.post('/invitations', { email: owner.email });
    const token = await tokenFor(owner.email, 'You are invited');
    const ip = address();
    const accept = (password: string) =>
      service.post('/auth/accept-invitation', { token, name: 'x', password }, from(ip));
    for (let i = 0; i < MAX; i += 1) {
      const { status, body } = await accept('wrong wrong wrong');
      expect([status, body.code]).toEqual([401, 'INVALID_CREDENTIALS']);
    }
    expect((await accept(PASSWORD)).status).toBe(429);
    expect((await logIn(owner.email, ip)).status).toBe(429);
  });
});

describe('a new password', () => {
  const change = (client: Client, currentPassword: string, newPassword: string, ip = address()) =>
    service.post(
      '/auth/change-password',
      { currentPassword, newPassword },
      { ...from(ip), authorization: `Bearer ${client.accessToken}` },
    );
  const refresh = async (refreshToken: string) =>
    (await service.post('/auth/refresh', { refreshToken })).status;

  it('needs the current one, which counts as a login attempt', async () => {
    const client = await registerTenant(service);
    const ip = address();
    for (let i = 0; i < MAX; i += 1)
      expect((await change(client, 'wrong', NEW_PASSWORD, ip)).body.code).toBe('INVALID_CREDENTIALS');
    expect((await change(client, PASSWORD, NEW_PASSWORD, ip)).status).toBe(429);
  });

  it('ends all other sessions, in every tenant', async () => {
    const client = await registerTenant(service);
    const inviter = await registerTenant(service);
    await inviter.post('/invitations', { email: client.email });
    const token = await tokenFor(client.email, 'You are invited');
    const accepted = { token, name: 'x', password: PASSWORD };
    const { body: elsewhere } = await service.post('/auth/accept-invitation', accepted, from(address()));
    const { status, body } = await change(client, PASSWORD, NEW_PASSWORD);
    expect(status).toBe(200);
    for (const session of [client, elsewhere]) expect(await refresh(session.refreshToken)).toBe(401);
    expect(await refresh(body.refreshToken)).toBe(200);
    expect((await asClient(service, client.email, body).get('/auth/me')).status).toBe(200);
    expect((await logIn(client.email, address())).status).toBe(401);
    expect((await logIn(client.email, address(), NEW_PASSWORD)).status).toBe(200);
  });

  it('that is set while sessions open leaves none of the old password', async () => {
    const client = await registerTenant(service);
    const logins = Array.from({ length: 5 }, () => logIn(client.email, address()));
    const chain = Array.from({ length: 5 }, () =>
      service.post('/auth/refresh', { refreshToken: client.refreshToken }),
    );
    const [changed, ...others] = await Promise.all([
      change(client, PASSWORD, NEW_PASSWORD),
      ...logins,
      ...chain,
    ]);
    expect(changed?.status).toBe(200);
    for (const { status, body } of others)
      if (status === 200) expect(await refresh(body.refreshToken)).toBe(401);
    expect(await refresh(changed?.body.refreshToken)).toBe(200);
  });
});

describe('a password reset', () => {
  const request = (email: string, ip = address()) =>
    service.post('/auth/request-password-reset', { email }, from(ip));
  const reset = (token: string, ip = address()) =>
    service.post('/auth/reset-password', { token, newPassword: NEW_PASSWORD }, from(ip));
  const requests = async (email: string) =>
    (await mailsTo(email)).filter((mail) => mail.includes('Subject: Reset your password')).length;

  it('by mail works once, ends all sessions and the block of the network', async () => {
    const client = await registerTenant(service);
    const ip = address();
    await fail(client.email, ip);
    expect((await logIn(client.email, ip)).status).toBe(429);
    await request(client.email, ip);
    const token = await tokenFor(client.email, 'Reset your password');
    const answers = await Promise.all([reset(token, ip), reset(token, ip), reset(token, ip)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401]);
    expect(answers.find(({ status }) => status === 401)?.body.code).toBe('INVALID_TOKEN');
    expect((await service.post('/auth/refresh', { refreshToken: client.refreshToken })).status).toBe(401);
    expect((await logIn(client.email, ip, NEW_PASSWORD)).status).toBe(200);
    expect(await tokenFor(client.email, 'Your password was changed')).toBe('');
  });

  it('is answered the same for unknown addresses, and stored as a hash', async () => {
    const { email } = await registerTenant(service);
    const [known, unknown] = [await request(email), await request(`${randomUUID()}@example.com`)];
    expect([unknown.status, unknown.body]).toEqual([known.status, known.body]);
    const token = await tokenFor(email, 'Reset your password');
    const client = await database.owner.connect();
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.mail_token_hash', $1, true)`, [
      createHash('sha256').update(token).digest('hex'),
    ]);
    const { rows } = await client.query('SELECT * FROM password_resets');
    await client.query('ROLLBACK');
    client.release();
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it('cannot be blocked by a stranger, who cannot flood the mailbox either', async () => {
    const client = await registerTenant(service);
    const strangers = `2001:db8:${hex()}`;
    for (let i = 0; i < 5; i += 1) expect((await request(client.email, `${strangers}::1`)).status).toBe(202);
    const first = await tokenFor(client.email, 'Reset your password', 1);
    // With a /48, a stranger has 65,536 networks. They use up the budget of the mailbox, and get one mail more.
    for (let i = 1; i < 10; i += 1) await request(client.email, `${strangers}:${i}::1`);
    await tokenFor(client.email, 'Reset your password', 3);
    await request(client.email, address());
    const own = await tokenFor(client.email, 'Reset your password', 4);
    expect(await requests(client.email)).toBe(5);
    expect(first).not.toBe(own);
    expect((await reset(own)).status).toBe(204);
    expect((await reset(first)).status).toBe(401);
  });

  it('limits guesses at tokens per network, and never refuses a valid token', async () => {
    const client = await registerTenant(service);
    const ip = address();
    for (let i = 0; i < 20; i += 1) expect((await reset(randomUUID(), ip)).status).toBe(401);
    expect((await reset(randomUUID(), ip)).status).toBe(429);
    await request(client.email);
    expect((await reset(await tokenFor(client.email, 'Reset your password'), ip)).status).toBe(204);
  });
});

describe('a registration that must be verified', () => {
  let strict: TestService;
  beforeAll(async () => {
    strict = await startService(database, { AUTH_REQUIRE_VERIFIED_EMAIL: 'true' });
  });
  afterAll(() => strict?.stop());

  const register = (email: string, password = PASSWORD) =>
    strict.post('/auth/register', { email, password, name: 'Grace', tenantName: 'Compilers' });
  const verify = (token: string, password = PASSWORD) =>
    strict.post('/auth/verify-email', { token, password });
  const tryToLogIn = (email: string, password = PASSWORD) => strict.post('/auth/login', { email, password });

  it('opens no account before the token of the mail comes back', async () => {
    const email = `${randomUUID()}@example.com`;
    const { status, body } = await register(email);
    expect([status, body]).toEqual([202, { status: 'verification_required', expiresIn: 3_600 }]);
    expect((await tryToLogIn(email)).status).toBe(401);
    const token = await tokenFor(email, 'Verify your email address');
    const verified = await verify(token);
    expect([verified.status, verified.body.role]).toEqual([200, 'owner']);
    expect((await verify(token)).body.code).toBe('INVALID_TOKEN');
    expect((await tryToLogIn(email)).status).toBe(200);
  });

  it('of a stranger gives the stranger no part of the account', async () => {
    const email = `${randomUUID()}@example.com`;
    await register(email, 'the password of a stranger');
    const strangers = await tokenFor(email, 'Verify your email address');
    expect((await verify(strangers, PASSWORD)).body.code).toBe('INVALID_CREDENTIALS');
    await register(email);
    const own = await tokenFor(email, 'Verify your email address', 1);
    expect((await verify(own)).status).toBe(200);
    expect((await verify(strangers, 'the password of a stranger')).body.code).toBe('EMAIL_TAKEN');
    expect((await tryToLogIn(email, 'the password of a stranger')).status).toBe(401);
  });

  it('is answered the same if the address has an account', async () => {
    const { email } = await registerTenant(service);
    const { status, body } = await register(email);
    expect([status, body]).toEqual([202, { status: 'verification_required', expiresIn: 3_600 }]);
    expect(await tokenFor(email, 'You have an account')).toBe('');
  });
});

describe('the budget of an address that strangers have used up', () => {
  it('leaves a tenant its invitation', async () => {
    const email = `${randomUUID()}@example.com`;
    for (let i = 0; i < 2; i += 1) {
      const stranger = await registerTenant(service);
      for (let mail = 0; mail < 2; mail += 1) await stranger.post('/invitations', { email });
    }
    const inviter = await registerTenant(service);
    const invite = async () => (await inviter.post('/invitations', { email })).status;
    expect([await invite(), await invite()]).toEqual([201, 429]);
  });

  it('leaves a person the registration', async () => {
    const strict = await startService(database, {
      RATE_LIMIT_ENABLED: 'true',
      AUTH_REQUIRE_VERIFIED_EMAIL: 'true',
      MAIL_REQUESTS_ADDRESS_MAX: '3',
      TRUST_PROXY: 'true',
    });
    const email = `${randomUUID()}@example.com`;
    const register = (ip: string) =>
      strict.post('/auth/register', { email, password: PASSWORD, name: 'Ada', tenantName: 'x' }, from(ip));
    const strangers = `2001:db8:${hex()}`;
    for (let i = 0; i < 6; i += 1) await register(`${strangers}:${i}::1`);
    await tokenFor(email, 'Verify your email address', 3);
    await register(address());
    const token = await tokenFor(email, 'Verify your email address', 4);
    expect((await strict.post('/auth/verify-email', { token, password: PASSWORD })).status).toBe(200);
    await strict.stop();
  });
});

it('logs sign-ins that failed, limits, passwords, memberships and roles by ids only', async () => {
  const lines = captureLog();
  const owner = await registerTenant(service);
  const { email } = owner;
  await fail(email, address());
  const unknown = `${randomUUID()}@example.com`;
  const ip = address();
  await fail(unknown, ip);
  await logIn(unknown, ip);
  const guest = await addMember(service, owner, 'member');
  const bearer = { authorization: `Bearer ${owner.accessToken}` };
  await service.patch(`/members/${guest.userId}`, { role: 'admin' }, bearer);
  await service.request('DELETE', `/members/${guest.userId}`, undefined, bearer);
  const { id } = await sendInvitation(owner, 'member');
  await service.request('DELETE', `/invitations/${id}`, undefined, bearer);
  await owner.post('/auth/change-password', { currentPassword: PASSWORD, newPassword: NEW_PASSWORD });
  await service.post('/auth/request-password-reset', { email });
  const token = await tokenFor(email, 'Reset your password');
  await service.post('/auth/reset-password', { token, newPassword: PASSWORD });
  const events = lines();
  const [userId, tenantId] = [owner.userId, owner.tenantId];
  const ofOwner = { userId: guest.userId, actorId: userId, tenantId };
  expect(events).toEqual([
    { event: 'user_created', userId, tenantId, role: 'owner' },
    ...Array(MAX).fill({ event: 'authn_login_fail', account: expect.any(String), userId }),
    ...Array(MAX).fill({ event: 'authn_login_fail', account: expect.any(String) }),
    { event: 'authn_login_lock', account: expect.any(String), limit: 'login-pair' },
    {
      event: 'invitation_created',
      actorId: userId,
      tenantId,
      invitationId: expect.any(String),
      role: 'member',
    },
    { event: 'user_created', userId: guest.userId, tenantId, role: 'member' },
    { event: 'member_added', ...ofOwner, invitationId: expect.any(String), role: 'member' },
    { event: 'authz_change', ...ofOwner, role: 'admin', before: 'member' },
    { event: 'member_removed', ...ofOwner, before: 'admin' },
    { event: 'invitation_created', actorId: userId, tenantId, invitationId: id, role: 'member' },
    { event: 'invitation_withdrawn', actorId: userId, tenantId, invitationId: id },
    { event: 'authn_password_change', userId, tenantId, by: 'password' },
    { event: 'authn_password_change', userId, by: 'mail' },
  ]);
});

it('logs the invitations that a demotion, a removal and an acceptance void', async () => {
  const owner = await registerTenant(service);
  const { tenantId } = owner;
  const bearer = { authorization: `Bearer ${owner.accessToken}` };
  const guest = await addMember(service, owner, 'admin');
  const demoted = await sendInvitation(guest, 'admin');
  const lines = captureLog();
  await service.patch(`/members/${guest.userId}`, { role: 'member' }, bearer);
  await service.patch(`/members/${guest.userId}`, { role: 'admin' }, bearer);
  const removed = await sendInvitation(guest, 'member');
  await service.request('DELETE', `/members/${guest.userId}`, undefined, bearer);
  const accepted = await sendInvitation(owner, 'member');
  const other = await sendInvitation(owner, 'member', accepted.email);
  const { userId } = asClient(service, accepted.email, (await accept(service, accepted)).body);
  const ended = lines().filter((line) => 'event' in line && line.event === 'invitation_withdrawn');
  expect(ended).toEqual([
    { event: 'invitation_withdrawn', actorId: owner.userId, tenantId, invitationId: demoted.id },
    { event: 'invitation_withdrawn', actorId: owner.userId, tenantId, invitationId: removed.id },
    { event: 'invitation_withdrawn', actorId: userId, tenantId, invitationId: other.id },
  ]);
});

it('logs a budget that is used up once', async () => {
  const lines = captureLog();
  const [ip, email] = [address(), `${randomUUID()}@example.com`];
  for (let i = 0; i < 5; i += 1) await service.post('/auth/request-password-reset', { email }, from(ip));
  for (let i = 0; i < 23; i += 1)
    await service.post('/auth/reset-password', { token: randomUUID(), newPassword: NEW_PASSWORD }, from(ip));
  expect(lines()).toEqual([
    { event: 'excess_rate_limit_exceeded', account: expect.any(String), limit: 'mail-pair', kind: 'reset' },
    { event: 'excess_rate_limit_exceeded', limit: 'login-token' },
  ]);
});

/** Collects the events of security, as the logger gets them. */
function captureLog(): () => object[] {
  const log = service.app.get(SecurityLog, { strict: false });
  const calls = [vi.spyOn(log, 'log'), vi.spyOn(log, 'warn')];
  return () => {
    const events = calls.flatMap(({ mock }) =>
      mock.calls.map(([event, fields], index) => ({
        order: mock.invocationCallOrder[index] ?? 0,
        event,
        fields,
      })),
    );
    vi.restoreAllMocks();
    return events
      .sort((one, other) => one.order - other.order)
      .map(({ event, fields }) => JSON.parse(JSON.stringify({ event, ...fields })));
  };
}
