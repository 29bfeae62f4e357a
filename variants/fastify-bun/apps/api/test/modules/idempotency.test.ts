import { afterAll, afterEach, beforeAll, describe, expect, it } from 'bun:test';
import { forgetKeys } from '../../src/shared/db/idempotency.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { ANY_PROVIDER, CANARY, gateways, keyFor, startChat } from '../support/providers.js';
import { startService, type TestService } from '../support/service.js';
import { startUpstream, type Upstream } from '../support/upstream.js';
import { signUp, type TestUser } from '../support/users.js';

let database: TestDatabase;
let upstream: Upstream;
let service: TestService;
let other: TestService;
let ada: TestUser;

beforeAll(async () => {
  database = await createDatabase();
  upstream = startUpstream();
  const settings = { ...gateways(upstream), PROVIDER_RETRIES: '0' };
  service = await startService(database, settings);
  other = await startService(database, settings);
  ada = await signUp(service);
});

afterEach(() => upstream.reset());

afterAll(async () => {
  await service.stop();
  await other.stop();
  await upstream.stop();
  await database.drop();
});

const keyed = (key: string = crypto.randomUUID(), { auth } = ada) => ({ ...auth, 'idempotency-key': key });

async function messagesIn(chatId: string): Promise<number> {
  const { rows } = await database.owner.query('SELECT count(*)::int FROM messages WHERE chat_id = $1', [
    chatId,
  ]);
  return rows[0].count;
}

describe('a chat that is created twice with one key', () => {
  it('is there once, and both requests are answered alike, through two processes at the same moment', async () => {
    const headers = keyed();
    const title = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        (n % 2 ? other : service).post('/chats', { title, model: 'm' }, headers),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
    expect((await database.owner.query('SELECT FROM chats WHERE title = $1', [title])).rowCount).toBe(1);
  });

  it('is refused where the second request asks for something else', async () => {
    const headers = keyed();
    await service.post('/chats', { title: 'one', model: 'm' }, headers);
    const { status, body } = await other.post('/chats', { title: 'two', model: 'm' }, headers);
    expect([status, body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
  });

  it('is another user’s where the other user sends the same key', async () => {
    const eve = await signUp(service);
    const key = crypto.randomUUID();
    const [hers, mine] = [
      await service.post('/chats', { model: 'm' }, keyed(key, eve)),
      await service.post('/chats', { model: 'm' }, keyed(key)),
    ];
    expect([hers.status, mine.status]).toEqual([201, 201]);
    expect(mine.body.id).not.toBe(hers.body.id);
  });
});

describe('a key', () => {
  it.each(['', 'with space', 'k'.repeat(256)])('that is malformed (%p) is refused', async (key) => {
    const { status, body } = await service.post('/chats', { model: 'm' }, keyed(key));
    expect([status, body.errors[0].pointer]).toEqual([400, '/idempotency-key']);
  });

  it('is free again after a request that was not valid', async () => {
    const headers = keyed();
    expect((await service.post('/chats', {}, headers)).status).toBe(400);
    expect((await service.post('/chats', { model: 'm' }, headers)).status).toBe(201);
  });

  it('is forgotten when its time is over', async () => {
    const headers = keyed();
    await service.post('/chats', { model: 'one' }, headers);
    await forgetKeys(service.app.db, new Date(Date.now() + 1_000));
    expect((await service.post('/chats', { model: 'two' }, headers)).body.model).toBe('two');
  });
});

describe('a provider key that is stored twice with one key', () => {
  it('is there once, and the answer that is remembered holds no secret', async () => {
    const headers = keyed();
    const given = keyFor(ANY_PROVIDER, upstream);
    const first = await service.post('/providers', given, headers);
    const again = await other.post('/providers', given, headers);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    const { rows } = await database.owner.query(
      'SELECT response::text FROM idempotency_keys WHERE key = $1',
      [headers['idempotency-key']],
    );
    expect(rows[0].response).not.toContain(CANARY);
    expect(Object.keys(JSON.parse(rows[0].response))).not.toContain('secret');
  });
});

describe('a provider key that is stored at the same moment by requests with one key', () => {
  it('is there once, and all are answered alike, although its label may be there once only', async () => {
    const headers = keyed();
    const given = keyFor(ANY_PROVIDER, upstream);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 ? other : service).post('/providers', given, headers)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });
});

describe('a message that is sent twice with one key', () => {
  it('is answered once, and the second request gets the same answer, also where the first was a stream', async () => {
    const { id } = await startChat(service, upstream, ada);
    for (const stream of [false, true]) {
      const headers = keyed();
      const body = { content: 'Hello?', stream };
      const path = `/chats/${id}/messages`;
      const before = await messagesIn(id);
      const asked = upstream.requests.length;
      const first = await service.post(path, body, headers);
      const again = await other.post(path, body, headers);
      expect([first.status, again.status]).toEqual([stream ? 200 : 201, 201]);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      if (!stream) expect(again.body).toEqual(first.body);
      expect([
        again.body.userMessage.text ?? again.body.userMessage.parts[0].text,
        again.body.message.status,
      ]).toEqual(['Hello?', 'complete']);
      expect([await messagesIn(id), upstream.requests.length]).toEqual([before + 2, asked + 1]);
    }
  });

  it('is told to wait while the first is answered', async () => {
    const { id } = await startChat(service, upstream, ada);
    upstream.usual = { chunks: ['a', 'b', 'c'], delayMs: 200 };
    const headers = keyed();
    const first = service.post(`/chats/${id}/messages`, { content: 'Hello?' }, headers);
    while ((await messagesIn(id)) < 2) await Bun.sleep(5);
    const { status, body } = await other.post(`/chats/${id}/messages`, { content: 'Hello?' }, headers);
    expect([status, body.code]).toEqual([409, 'ANSWER_IN_PROGRESS']);
    expect((await first).status).toBe(201);
  });

  it('is sent anew where the provider failed the first time', async () => {
    const { id } = await startChat(service, upstream, ada);
    const headers = keyed();
    upstream.usual = { status: 500 };
    expect((await service.post(`/chats/${id}/messages`, { content: 'Hello?' }, headers)).status).toBe(502);
    upstream.reset();
    const again = await service.post(`/chats/${id}/messages`, { content: 'Hello?' }, headers);
    expect([again.status, again.body.message.status]).toEqual([201, 'complete']);
    expect(again.headers.get('idempotency-replayed')).toBeNull();
  });
});
