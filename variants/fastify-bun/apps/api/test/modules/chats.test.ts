import { afterAll, beforeAll, describe, expect, it } from 'bun:test';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { gateways, startChat } from '../support/providers.js';
import { type Answer, startService, type TestService } from '../support/service.js';
import { startUpstream, type Upstream } from '../support/upstream.js';
import { signUp, type TestUser } from '../support/users.js';

let database: TestDatabase;
let upstream: Upstream;
let service: TestService;
let ada: TestUser;
let eve: TestUser;

beforeAll(async () => {
  database = await createDatabase();
  upstream = startUpstream();
  service = await startService(database, gateways(upstream));
  ada = await signUp(service);
  eve = await signUp(service);
});

afterAll(async () => {
  await service.stop();
  await upstream.stop();
  await database.drop();
});

const say = (chatId: string, content: string, user = ada) =>
  service.post(`/chats/${chatId}/messages`, { content }, user.auth);

/** Headers of a change that is meant for a version. */
const at = (version: number, { auth }: TestUser) => ({ ...auth, 'if-match': `"${version}"` });

/** All rows of a list, page by page. */
async function pages(path: string, { auth }: TestUser, limit: number): Promise<{ id: string }[][]> {
  const found: { id: string }[][] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { status, body }: Answer = await service.get(
      `${path}limit=${limit}${cursor && `&cursor=${cursor}`}`,
      auth,
    );
    expect(status).toBe(200);
    found.push(body.data);
    cursor = body.page.nextCursor;
  }
  return found;
}

describe('a chat', () => {
  it('is made, shown, changed and deleted with its messages', async () => {
    const chat = await startChat(service, upstream, ada, { title: 'Engines' });
    await say(chat.id, 'Hello?');
    expect((await service.get(`/chats/${chat.id}`, ada.auth)).body).toMatchObject({
      title: 'Engines',
      model: 'some-model',
      systemPrompt: null,
      historyTokens: 8_000,
      useTools: false,
    });
    const changed = await service.patch(
      `/chats/${chat.id}`,
      { title: 'Looms', systemPrompt: 'Be kind.' },
      at(1, ada),
    );
    expect(changed.body).toMatchObject({ title: 'Looms', systemPrompt: 'Be kind.', model: 'some-model' });
    expect((await service.delete(`/chats/${chat.id}`, ada.auth)).status).toBe(204);
    expect((await service.get(`/chats/${chat.id}`, ada.auth)).body.code).toBe('CHAT_NOT_FOUND');
    expect((await database.owner.query('SELECT FROM messages WHERE chat_id = $1', [chat.id])).rowCount).toBe(
      0,
    );
  });

  it.each([
    ['nothing', {}],
    ['a member that is not the caller’s to choose', { userId: crypto.randomUUID() }],
    ['another id', { id: crypto.randomUUID() }],
    ['an empty title', { title: ' ' }],
    ['a title with NUL', { title: 'a\u0000b' }],
    ['a lone surrogate', { title: '\ud800' }],
    ['a window that is no number', { historyTokens: '8000' }],
  ])('is not changed by %s', async (_, changes) => {
    const chat = await startChat(service, upstream, ada);
    const { status, body } = await service.patch(`/chats/${chat.id}`, changes, at(1, ada));
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
  });

  it('cannot use another user’s key', async () => {
    const { providerKeyId } = await startChat(service, upstream, ada);
    const made = await service.post('/chats', { providerKeyId, model: 'm' }, eve.auth);
    expect([made.status, made.body.code]).toEqual([404, 'PROVIDER_KEY_NOT_FOUND']);
    const hers = await startChat(service, upstream, eve);
    expect((await service.patch(`/chats/${hers.id}`, { providerKeyId }, at(1, eve))).status).toBe(404);
    await expect(
      database.owner.query('UPDATE chats SET provider_key_id = $1 WHERE id = $2', [providerKeyId, hers.id]),
    ).rejects.toThrow('chats_provider_key_fk');
  });
});

describe('a change of a chat', () => {
  it('is refused where the chat was changed in between, and where it does not say for which version it is', async () => {
    const { id } = await startChat(service, upstream, ada);
    const path = `/chats/${id}`;
    const [one, two] = await Promise.all([
      service.patch(path, { title: 'one' }, at(1, ada)),
      service.patch(path, { title: 'two' }, at(1, ada)),
    ]);
    expect([one.status, two.status].toSorted()).toEqual([200, 412]);
    const [winner] = [one, two].filter(({ status }) => status === 200);
    expect(winner?.headers.get('etag')).toBe('"2"');
    expect((await service.get(path, ada.auth)).body).toEqual(winner?.body);
    expect((await service.patch(path, { title: 'three' }, ada.auth)).body.code).toBe('PRECONDITION_REQUIRED');
  });

  it('makes what a client holds out of date, also where its key goes', async () => {
    const { id, providerKeyId } = await startChat(service, upstream, ada);
    const held = { ...ada.auth, 'if-none-match': '"1"' };
    expect((await service.get(`/chats/${id}`, held)).status).toBe(304);
    await service.delete(`/providers/${providerKeyId}`, ada.auth);
    const { status, body, headers } = await service.get(`/chats/${id}`, held);
    expect([status, body.version, headers.get('etag')]).toEqual([200, 2, '"2"']);
  });
});

describe('a message that no answer is asked for', () => {
  it('is kept, in a chat without a key as well, and no provider is asked', async () => {
    const { body: chat } = await service.post('/chats', { model: 'some-model' }, ada.auth);
    const asked = upstream.requests.length;
    const sent = await service.post(
      `/chats/${chat.id}/messages`,
      { content: 'as I said', answer: false },
      ada.auth,
    );
    expect([sent.status, sent.body.message, sent.body.userMessage.status]).toEqual([201, null, 'complete']);
    const { data } = (await service.get(`/chats/${chat.id}/messages`, ada.auth)).body;
    expect(data).toEqual([sent.body.userMessage]);
    expect(upstream.requests).toHaveLength(asked);
  });
});

describe('another user’s chat', () => {
  it('is, on every route, as if it were not there', async () => {
    const chat = await startChat(service, upstream, ada);
    const { body } = await say(chat.id, 'a secret');
    const asked = upstream.requests.length;
    const routes: [string, string, object?][] = [
      ['GET', ''],
      ['PATCH', '', { title: 'stolen' }],
      ['DELETE', ''],
      ['GET', '/messages'],
      ['POST', '/messages', { content: 'Hi' }],
      ['POST', '/messages', { content: 'Hi', stream: true }],
      ['GET', `/messages/${body.message.id}`],
      ['PATCH', `/messages/${body.userMessage.id}`, { content: 'changed' }],
      ['DELETE', `/messages/${body.message.id}`],
      ['GET', `/messages/${body.message.id}/stream`],
      ['POST', `/messages/${body.message.id}/stop`],
    ];
    for (const [method, path, sent] of routes) {
      const ask = (id: string) =>
        service.request(method, `/chats/${id}${path}`, sent, { ...at(1, eve), 'x-request-id': 'same' });
      const [foreign, unknown] = [await ask(chat.id), await ask(crypto.randomUUID())];
      expect([method, path, foreign.status]).toEqual([method, path, 404]);
      const { instance: _one, ...told } = foreign.body;
      const { instance: _two, ...expected } = unknown.body;
      expect(told).toEqual(expected);
    }
    expect(upstream.requests).toHaveLength(asked);
    expect((await service.get(`/chats/${chat.id}/messages`, ada.auth)).body.data).toHaveLength(2);
  });
});

describe('the list of chats', () => {
  it('comes in pages, newest first, and is not shaken by new ones', async () => {
    const bob = await signUp(service);
    const made: string[] = [];
    for (let index = 0; index < 5; index++) made.unshift((await startChat(service, upstream, bob)).id);
    // The same moment for some: the id decides then.
    await database.owner.query(`UPDATE chats SET created_at = '2020-01-01' WHERE user_id = $1`, [bob.id]);
    const first = await service.get('/chats?limit=2', bob.auth);
    await startChat(service, upstream, bob);
    const rest = await service.get(`/chats?limit=100&cursor=${first.body.page.nextCursor}`, bob.auth);
    const seen = [...first.body.data, ...rest.body.data].map(({ id }: { id: string }) => id);
    expect(seen).toEqual(made);
    expect((await pages('/chats?', bob, 2)).map(({ length }) => length)).toEqual([2, 2, 2]);
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'cursor=nonsense', 'q=a'])('refuses %s', async (query) => {
    expect((await service.get(`/chats?${query}`, ada.auth)).body.code).toBe('VALIDATION_FAILED');
  });

  it('finds chats by the words of their titles and messages, and only the caller’s own', async () => {
    const bob = await signUp(service);
    const titled = await startChat(service, upstream, bob, { title: 'The analytical engine' });
    const spoken = await startChat(service, upstream, bob, { title: 'Other' });
    await say(spoken.id, 'Tell me about the Jacquard loom', bob);
    const find = async (q: string, user = bob) =>
      (await service.get(`/chats?q=${encodeURIComponent(q)}`, user.auth)).body.data.map(
        ({ id }: { id: string }) => id,
      );
    expect(await find('engine analytical')).toEqual([titled.id]);
    expect(await find('jacquard')).toEqual([spoken.id]);
    expect(await find('"loom jacquard"')).toEqual([]);
    expect(await find(`' OR 1=1 --`)).toEqual([]);
    expect(await find('jacquard', eve)).toEqual([]);
  });
});

describe('messages', () => {
  it('come in pages, newest first, the answer after the question', async () => {
    const chat = await startChat(service, upstream, ada);
    for (const text of ['one', 'two', 'three']) await say(chat.id, text);
    const found = await pages(`/chats/${chat.id}/messages?`, ada, 4);
    expect(found.map(({ length }) => length)).toEqual([4, 2]);
    const roles = (found.flat() as unknown as { role: string }[]).map(({ role }) => role);
    expect(roles).toEqual(['assistant', 'user', 'assistant', 'user', 'assistant', 'user']);
  });

  it('of the user can be changed, answers cannot, and both can be deleted', async () => {
    const chat = await startChat(service, upstream, ada);
    const { userMessage, message } = (await say(chat.id, 'frist')).body;
    const path = `/chats/${chat.id}/messages`;
    const changed = await service.patch(`${path}/${userMessage.id}`, { content: 'first' }, ada.auth);
    expect(changed.body.parts).toEqual([{ type: 'text', text: 'first' }]);
    expect((await service.patch(`${path}/${message.id}`, { content: 'forged' }, ada.auth)).status).toBe(404);
    for (const { id } of [userMessage, message]) {
      expect((await service.delete(`${path}/${id}`, ada.auth)).status).toBe(204);
    }
    expect((await service.get(path, ada.auth)).body.data).toEqual([]);
  });
});
