import { afterAll, afterEach, beforeAll, describe, expect, it } from 'bun:test';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Answer, startService, type TestService } from '../support/service.js';
import { PASSWORD, signUp, type TestUser } from '../support/users.js';

const WRONG = 'a wrong password';

let database: TestDatabase;
const services: TestService[] = [];

beforeAll(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
});
afterAll(() => database.drop());

/** Starts a process with small budgets; processes with the same name share their counters. */
async function start(changes: Record<string, string> = {}): Promise<TestService> {
  const service = await startService(database, {
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_MAX: '10000',
    TRUST_PROXY: 'true',
    LOGIN_ATTEMPTS_MAX: '4',
    LOGIN_ATTEMPTS_NETWORK_MAX: '12',
    LOGIN_ATTEMPTS_ACCOUNT_MAX: '20',
    MAIL_REQUESTS_MAX: '2',
    MAIL_REQUESTS_ADDRESS_MAX: '6',
    MAIL_REQUESTS_NETWORK_MAX: '12',
    OTEL_SERVICE_NAME: crypto.randomUUID(),
    ...changes,
  });
  services.push(service);
  return service;
}

const from = (address: string) => ({ 'x-forwarded-for': address });
const OFFICE = '198.51.100.7';

function signIn(service: TestService, email: string, password: string, address: string): Promise<Answer> {
  return service.post('/api/auth/sign-in/email', { email, password }, from(address));
}

async function statuses(count: number, attempt: (index: number) => Promise<Answer>): Promise<number[]> {
  const found: number[] = [];
  for (let index = 0; index < count; index++) found.push((await attempt(index)).status);
  return found;
}

/** Waits for a link in the mails to an account. */
async function resetToken(service: TestService, { email }: TestUser): Promise<string> {
  const mails = (await service.mails()).filter(
    (text) => text.includes(email) && text.includes('new password'),
  );
  return /reset-password\/([\w-]+)/.exec(mails.at(-1) ?? '')?.[1] ?? '';
}

describe('failed sign-ins', () => {
  it('limit one client with one account, over two processes', async () => {
    const name = { OTEL_SERVICE_NAME: crypto.randomUUID() };
    const both = [await start(name), await start(name)] as const;
    const { email } = await signUp(both[0]);
    const attempt = (index: number) => signIn(both[index % 2 === 0 ? 0 : 1], email, WRONG, '203.0.113.1');
    expect(await statuses(4, attempt)).toEqual([401, 401, 401, 401]);
    const { status, body, headers } = await attempt(4);
    expect([status, body.code]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(headers.get('retry-after'))).toBeWithin(1, 901);
    expect(headers.get('ratelimit-policy')).toBe('"login";q=4;w=900');
    // The right password would tell the attacker that it is right.
    expect((await signIn(both[1], email, PASSWORD, '203.0.113.1')).status).toBe(429);
    expect((await signIn(both[1], email, PASSWORD, OFFICE)).status).toBe(200);
  });

  it('are bounded when 60 of them run in parallel', async () => {
    const service = await start();
    const { email } = await signUp(service);
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => signIn(service, email, WRONG, '203.0.113.2')),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(4);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(56);
  });

  it('count all addresses of one IPv6 network as one client', async () => {
    const service = await start();
    const guess = (index: number) =>
      signIn(service, `nobody${index}@example.com`, WRONG, `2001:db8:1:2::${index + 1}`);
    expect(await statuses(12, guess)).toEqual(Array(12).fill(401));
    expect((await guess(12)).status).toBe(429);
    expect((await signIn(service, 'nobody@example.com', WRONG, '2001:db8:1:3::1')).status).toBe(401);
  });

  it('of a colleague do not refuse accounts that have signed in from the office', async () => {
    const service = await start();
    const ada = await signUp(service);
    expect((await signIn(service, ada.email, PASSWORD, OFFICE)).status).toBe(200);
    const spray = (index: number) => signIn(service, `nobody${index}@example.com`, WRONG, OFFICE);
    expect((await statuses(14, spray)).at(-1)).toBe(429);
    expect((await signIn(service, ada.email, PASSWORD, OFFICE)).status).toBe(200);
  });

  it('are cleared by a success, which is not counted', async () => {
    const service = await start();
    const { email } = await signUp(service);
    for (let round = 0; round < 4; round++) {
      expect(await statuses(3, () => signIn(service, email, WRONG, OFFICE))).toEqual([401, 401, 401]);
      expect((await signIn(service, email, PASSWORD, OFFICE)).status).toBe(200);
    }
    expect(await statuses(8, () => signIn(service, email, PASSWORD, OFFICE))).toEqual(Array(8).fill(200));
  });

  it('from many networks leave the owner a known client and the mail', async () => {
    const service = await start();
    const owner = await signUp(service);
    expect((await signIn(service, owner.email, PASSWORD, OFFICE)).status).toBe(200);
    const attack = await statuses(24, (index) => signIn(service, owner.email, WRONG, `203.0.113.${index}`));
    expect(attack).toEqual([...Array(20).fill(401), ...Array(4).fill(429)]);
    expect((await signIn(service, owner.email, PASSWORD, OFFICE)).status).toBe(200);

    const hotel = '192.0.2.44';
    expect((await signIn(service, owner.email, PASSWORD, hotel)).status).toBe(429);
    await service.post('/api/auth/request-password-reset', { email: owner.email }, from(hotel));
    const reset = { token: await resetToken(service, owner), newPassword: 'another good one' };
    expect((await service.post('/api/auth/reset-password', reset, from(hotel))).status).toBe(200);
    expect((await signIn(service, owner.email, 'another good one', hotel)).status).toBe(200);
  });

  it('lock a client out for longer each time', async () => {
    const service = await start({ LOGIN_ATTEMPTS_MAX: '1', LOGIN_ATTEMPTS_WINDOW_SECONDS: '1' });
    const { email } = await signUp(service);
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      expect((await signIn(service, email, WRONG, OFFICE)).status).toBe(401);
      const refused = await signIn(service, email, WRONG, OFFICE);
      const seconds = Number(refused.headers.get('retry-after'));
      waits.push(seconds);
      await Bun.sleep(seconds * 1_000);
    }
    expect(waits).toEqual([1, 2, 4]);
  });

  it('stay bounded in each process while Valkey is unavailable', async () => {
    const service = await start({ REDIS_URL: 'redis://127.0.0.1:1' });
    const { email } = await signUp(service);
    const guesses = await statuses(6, () => signIn(service, email, WRONG, OFFICE));
    expect(guesses).toEqual([401, 401, 401, 401, 429, 429]);
    expect((await signIn(service, email, PASSWORD, '203.0.113.9')).status).toBe(200);
  });
});

describe('other checks of a password or a link', () => {
  it('count the current password of a change like a sign-in', async () => {
    const service = await start();
    const { email, auth } = await signUp(service);
    const change = (currentPassword: string) =>
      service.post(
        '/api/auth/change-password',
        { currentPassword, newPassword: 'another good one' },
        { ...auth, ...from('203.0.113.5') },
      );
    expect(await statuses(2, () => change(WRONG))).toEqual([400, 400]);
    expect(await statuses(2, () => signIn(service, email, WRONG, '203.0.113.5'))).toEqual([401, 401]);
    expect((await change(PASSWORD)).status).toBe(429);
  });

  it('bound guesses of the current password over many networks', async () => {
    const service = await start();
    const { auth } = await signUp(service);
    const guess = (index: number) =>
      service.post(
        '/api/auth/change-password',
        { currentPassword: WRONG, newPassword: 'another good one' },
        { ...auth, ...from(`203.0.113.${index}`) },
      );
    expect(await statuses(5, guess)).toEqual([400, 400, 400, 400, 429]);
  });

  it.each([
    ['POST', '/api/auth/reset-password', { newPassword: 'another good one', token: 'a'.repeat(24) }],
    ['GET', '/api/auth/verify-email?token=invented', undefined],
    ['GET', `/api/auth/reset-password/${'a'.repeat(24)}?callbackURL=/`, undefined],
  ])('bound guesses of the token: %s %s', async (method, path, body) => {
    const service = await start();
    const guess = (address: string) => service.request(method, path, body, from(address));
    const seen = await statuses(13, () => guess('203.0.113.6'));
    expect(seen.indexOf(429)).toBe(12);
    expect((await guess(OFFICE)).status).not.toBe(429);
  });

  it('refuse no valid link of a neighbor', async () => {
    const service = await start({ AUTH_REQUIRE_VERIFIED_EMAIL: 'true' });
    const email = `neighbor-${crypto.randomUUID()}@example.com`;
    const neighbor = { id: '', email, auth: { authorization: '' } };
    await service.post('/api/auth/sign-up/email', { name: 'Ada', email, password: PASSWORD }, from(OFFICE));
    const verification = new URL(/https?:\S+/.exec((await service.mails()).at(-1) ?? '')?.[0] ?? '');
    await service.post('/api/auth/request-password-reset', { email }, from(OFFICE));
    const reset = { token: await resetToken(service, neighbor), newPassword: PASSWORD };
    const junk = { token: 'a'.repeat(24), newPassword: PASSWORD };
    await statuses(14, () => service.post('/api/auth/reset-password', junk, from(OFFICE)));

    const token = verification.searchParams.get('token');
    const confirm = { token, password: PASSWORD };
    expect((await service.get(verification.pathname + verification.search, from(OFFICE))).status).toBe(302);
    expect((await service.post('/api/auth/verify-email', confirm, from(OFFICE))).status).toBe(200);
    const link = `/api/auth/reset-password/${reset.token}?callbackURL=/`;
    expect((await service.get(link, from(OFFICE))).status).toBe(302);
    expect((await service.post('/api/auth/reset-password', reset, from(OFFICE))).status).toBe(200);
  });
});

describe('mails', () => {
  it.each([
    ['request-password-reset', 'new password'],
    ['send-verification-email', 'Confirm your address'],
  ])('of %s are limited per mailbox and client', async (endpoint, subject) => {
    const service = await start();
    const { email } = await signUp(service);
    const sent = async () =>
      (await service.mails()).filter((text) => text.includes(email) && text.includes(subject)).length;
    const before = await sent();
    const ask = (address: string) => service.post(`/api/auth/${endpoint}`, { email }, from(address));
    expect(await statuses(4, () => ask('203.0.113.7'))).toEqual([200, 200, 429, 429]);
    expect((await sent()) - before).toBe(2);
    expect((await ask(OFFICE)).status).toBe(200);
    expect((await sent()) - before).toBe(3);
  });

  it('to one mailbox are bounded over many clients, and known clients still receive them', async () => {
    const service = await start();
    const owner = await signUp(service);
    expect((await signIn(service, owner.email, PASSWORD, OFFICE)).status).toBe(200);
    const ask = (address: string) =>
      service.post('/api/auth/request-password-reset', { email: owner.email }, from(address));
    const sent = async () => (await service.mails()).filter((text) => text.includes('new password')).length;
    const flood = await statuses(10, (index) => ask(`203.0.113.${index}`));
    expect(flood).toEqual(Array(10).fill(200));
    expect(await sent()).toBe(6);
    const last = await resetToken(service, owner);
    expect((await ask(OFFICE)).status).toBe(200);
    expect(await sent()).toBe(7);
    // The links that were mailed before stay valid.
    const reset = { token: last, newPassword: 'another good one' };
    expect((await service.post('/api/auth/reset-password', reset, from('192.0.2.1'))).status).toBe(200);
  });

  it('are not refused to a known client because of its neighbors', async () => {
    const service = await start();
    const owner = await signUp(service);
    expect((await signIn(service, owner.email, PASSWORD, OFFICE)).status).toBe(200);
    const ask = (email: string) => service.post('/api/auth/request-password-reset', { email }, from(OFFICE));
    const flood = await statuses(14, (index) => ask(`nobody${index}@example.com`));
    expect(flood.at(-1)).toBe(429);
    expect((await ask(owner.email)).status).toBe(200);
    expect(await resetToken(service, owner)).not.toBe('');
  });

  it('for a new password are void once one of them was followed', async () => {
    const service = await start();
    const owner = await signUp(service);
    const ask = () => service.post('/api/auth/request-password-reset', { email: owner.email }, from(OFFICE));
    await ask();
    const first = await resetToken(service, owner);
    await ask();
    const second = await resetToken(service, owner);
    const use = (token: string) =>
      service.post('/api/auth/reset-password', { token, newPassword: 'another good one' }, from(OFFICE));
    expect((await use(second)).status).toBe(200);
    expect((await use(first)).status).toBe(400);
  });
});

it('sign-ups are counted per network, not per account', async () => {
  const service = await start();
  const add = (index: number) =>
    service.post(
      '/api/auth/sign-up/email',
      { name: 'Ada', email: `new${index}-${Date.now()}@example.com`, password: PASSWORD },
      from('203.0.113.8'),
    );
  expect(await statuses(13, add)).toEqual([...Array(12).fill(200), 429]);
});
