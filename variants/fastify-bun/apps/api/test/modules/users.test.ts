import { afterAll, beforeAll, describe, expect, it } from 'bun:test';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { gateways, startChat } from '../support/providers.js';
import { startService, type TestService } from '../support/service.js';
import { startUpstream } from '../support/upstream.js';
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

describe('the own account', () => {
  it('is shown to its user', async () => {
    const { id, email, auth } = await signUp(service, 'Ada Lovelace');
    const { status, body } = await service.get('/users/me', auth);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, email, name: 'Ada Lovelace', emailVerified: false });
    expect(new Date(body.createdAt).toISOString()).toBe(body.createdAt);
    expect(Object.keys(body).sort()).toEqual([
      'createdAt',
      'email',
      'emailVerified',
      'id',
      'name',
      'updatedAt',
    ]);
  });

  it('can be renamed, and nothing else of it changed', async () => {
    const { email, auth } = await signUp(service);
    expect((await service.patch('/users/me', { name: 'Countess' }, auth)).body.name).toBe('Countess');
    for (const change of [
      { email: 'other@example.com' },
      { emailVerified: true },
      { id: crypto.randomUUID() },
    ]) {
      const { status, body } = await service.patch('/users/me', { name: 'x', ...change }, auth);
      expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    }
    expect((await service.get('/users/me', auth)).body).toMatchObject({
      email,
      name: 'Countess',
      emailVerified: false,
    });
  });

  it('is nobody’s without a log-in', async () => {
    for (const method of ['GET', 'DELETE'])
      expect((await service.request(method, '/users/me')).status).toBe(401);
  });
});

describe('the export', () => {
  it('holds everything of the user, nothing of others, and no secret', async () => {
    const upstream = startUpstream();
    const chatting = await startService(database, gateways(upstream));
    try {
      const [ada, eve] = [await signUp(chatting), await signUp(chatting)];
      await chatting.post('/api/auth/api-key/create', { name: 'backup' }, ada.auth);
      for (const user of [ada, eve]) {
        const chat = await startChat(chatting, upstream, user);
        await chatting.post(`/chats/${chat.id}/messages`, { content: `I am ${user.email}` }, user.auth);
      }
      const { status, body, headers } = await chatting.get('/users/me/export', ada.auth);
      expect(status).toBe(200);
      expect(headers.get('content-disposition')).toContain('attachment');
      expect(body.user.email).toBe(ada.email);
      const counts = [body.sessions, body.apiKeys, body.providerKeys, body.chats, body.messages].map(
        ({ length }) => length,
      );
      expect(counts).toEqual([1, 1, 1, 1, 2]);
      const text = JSON.stringify(body);
      expect(text).toContain(`I am ${ada.email}`);
      expect(text).not.toContain(eve.email);
      for (const secret of ['canary', '"v1.', 'argon2', '"secret"', '"token"', '"key"'])
        expect(text).not.toContain(secret);
    } finally {
      await chatting.stop();
      await upstream.stop();
    }
  });
});

describe('deleting the account', () => {
  it('leaves no row of the user in any table, and ends the sessions', async () => {
    const { id, email, auth } = await signUp(service);
    await service.post('/api/auth/api-key/create', { name: 'a' }, auth);
    await service.post('/api/auth/request-password-reset', { email });
    expect((await service.delete('/users/me', auth)).status).toBe(204);
    expect(await tablesWith(id, email)).toEqual([]);
    expect((await service.get('/users/me', auth)).status).toBe(401);
    expect((await service.post('/api/auth/sign-in/email', { email, password: PASSWORD })).status).toBe(401);
  });

  it('is not for programs', async () => {
    const { auth } = await signUp(service);
    const { key } = (await service.post('/api/auth/api-key/create', { name: 'a' }, auth)).body;
    expect((await service.delete('/users/me', { 'x-api-key': key })).status).toBe(403);
    expect((await service.get('/users/me', auth)).status).toBe(200);
  });

  it('asks for a log-in that is not long ago', async () => {
    const { id, auth } = await signUp(service);
    const age = 'UPDATE sessions SET created_at = now() - make_interval(secs => $2) WHERE user_id = $1';
    await database.owner.query(age, [id, 601]);
    const { status, body } = await service.delete('/users/me', auth);
    expect([status, body.code]).toEqual([403, 'SESSION_NOT_FRESH']);
    expect((await service.get('/users/me', auth)).status).toBe(200);
    await database.owner.query(age, [id, 590]);
    expect((await service.delete('/users/me', auth)).status).toBe(204);
  });

  it('hangs up on the provider that is answering', async () => {
    const upstream = startUpstream();
    upstream.usual = { chunks: Array.from({ length: 200 }, () => 'word '), delayMs: 50 };
    const chatting = await startService(database, gateways(upstream));
    try {
      const user = await signUp(chatting);
      const chat = await startChat(chatting, upstream, user);
      const { auth } = user;
      const answer = chatting.post(`/chats/${chat.id}/messages`, { content: 'Hello?' }, auth);
      await waitFor(() => upstream.requests.length > 0);
      expect((await chatting.delete('/users/me', auth)).status).toBe(204);
      await waitFor(() => upstream.aborted.count > 0);
      expect((await answer).status).toBe(201);
      expect(await tablesWith(user.id)).toEqual([]);
    } finally {
      await chatting.stop();
      await upstream.stop();
    }
  });

  it('leaves others alone', async () => {
    const [ada, eve] = [await signUp(service), await signUp(service)];
    await service.delete('/users/me', eve.auth);
    expect((await service.get('/users/me', ada.auth)).status).toBe(200);
  });
});

/** The tables that have a row in which any of the texts occurs. */
async function tablesWith(...texts: string[]): Promise<string[]> {
  const { rows: tables } = await database.owner.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
  );
  const found = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await database.owner.query(
        `SELECT 1 FROM ${name} t WHERE EXISTS (SELECT FROM unnest($1::text[]) x WHERE strpos(t::text, x) > 0) LIMIT 1`,
        [texts],
      );
      return rows.length > 0 ? [name] : [];
    }),
  );
  return found.flat();
}
