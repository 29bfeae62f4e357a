import { afterAll, afterEach, beforeAll, describe, expect, it } from 'bun:test';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Flood, type FloodServer, startFlood } from '../support/flood.js';
import { CANARY, keyFor } from '../support/providers.js';
import { startService, type TestService } from '../support/service.js';
import { startUpstream, type Upstream } from '../support/upstream.js';
import { signUp, type TestUser } from '../support/users.js';
import { waitFor } from '../support/wait.js';

let database: TestDatabase;
let flood: FloodServer;
let upstream: Upstream;
let service: TestService;
let other: TestService;
let ada: TestUser;

beforeAll(async () => {
  database = await createDatabase();
  flood = startFlood();
  upstream = startUpstream();
  const settings = {
    PROVIDER_ALLOWED_HOSTS: `${flood.host},${upstream.host}`,
    PROVIDER_FIRST_CHUNK_TIMEOUT_MS: '3000',
    PROVIDER_CHUNK_TIMEOUT_MS: '3000',
    PROVIDER_TOTAL_TIMEOUT_MS: '5000',
    PROVIDER_RETRIES: '0',
    ANSWERS_PER_USER_MAX: '2',
    STREAM_GRACE_MS: '60000',
  };
  service = await startService(database, settings);
  other = await startService(database, settings);
  ada = await signUp(service);
});

afterEach(() => {
  upstream.reset();
  flood.sent.bytes = 0;
  flood.sent.requests = 0;
});

afterAll(async () => {
  await service.stop();
  await other.stop();
  await upstream.stop();
  flood.stop();
  await database.drop();
});

async function chatWith(url: string): Promise<string> {
  const key = {
    provider: 'openai-compatible',
    label: crypto.randomUUID(),
    apiKey: CANARY,
    baseUrl: url,
  };
  const { body } = await service.post('/providers', key, ada.auth);
  const chat = { providerKeyId: body.id, model: 'some-model', useTools: true };
  return (await service.post('/chats', chat, ada.auth)).body.id;
}

const send = (chat: string, from = service) =>
  from.post(`/chats/${chat}/messages`, { content: 'Hello?' }, ada.auth);
const answerIn = async (chat: string) =>
  (await service.get(`/chats/${chat}/messages?limit=1`, ada.auth)).body.data[0];
const textOf = (message: { parts: { type: string; text: string }[] }) =>
  message.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');

describe('a provider that sends without an end', () => {
  it.each<[Flood, string]>([
    ['one event', 'Hello'],
    ['small events', 'Helloword word '],
    ['alternating parts', 'Hello'],
    ['tool input', 'Hello'],
    ['compressed', ''],
    ['error body', ''],
  ])('is cut, and the part before the limit is kept: %s', async (kind, start) => {
    flood.kind = kind;
    const chat = await chatWith(flood.url);
    const before = process.memoryUsage.rss();
    const { status, body } = await send(chat);
    expect([status, body.code]).toEqual([502, 'PROVIDER_ANSWER_TOO_LARGE']);
    expect(flood.sent.bytes).toBeLessThan(40_000_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(500_000_000);
    const message = await answerIn(chat);
    expect([message.status, message.errorCode]).toEqual(['failed', 'PROVIDER_ANSWER_TOO_LARGE']);
    expect(textOf(message)).toStartWith(start);
    expect(JSON.stringify(message.parts).length).toBeLessThan(400_000);
  });

  it.each<[Flood]>([['silence'], ['comments']])('of nothing is hung up on in time: %s', async (kind) => {
    flood.kind = kind;
    const { status, body } = await send(await chatWith(flood.url));
    expect([status, body.code]).toEqual([504, 'PROVIDER_TIMEOUT']);
  });

  it('does not delay the requests of others', async () => {
    flood.kind = 'tool input';
    const chat = await chatWith(flood.url);
    const eve = await signUp(service);
    let isOver = false;
    const sending = send(chat).finally(() => {
      isOver = true;
    });
    let slowest = 0;
    while (!isOver) {
      const started = performance.now();
      expect((await service.get('/users/me', eve.auth)).status).toBe(200);
      slowest = Math.max(slowest, performance.now() - started);
    }
    await sending;
    expect(slowest).toBeLessThan(1_500);
  });

  it('ends after the total time, with all providers that step in', async () => {
    const slow = { chunks: Array.from({ length: 200 }, () => 'w '), delayMs: 500 };
    upstream.usual = slow;
    const started = performance.now();
    const { body } = await send(await chatWith(`${upstream.url}/v1`));
    expect(body.code).toBe('PROVIDER_TIMEOUT');
    expect(performance.now() - started).toBeLessThan(8_000);
  });

  it('keeps characters out that PostgreSQL cannot store', async () => {
    upstream.usual = { chunks: ['a\u0000b', '\ud83d'] };
    const chat = await chatWith(`${upstream.url}/v1`);
    const { status, body } = await send(chat);
    expect([status, textOf(body.message)]).toEqual([201, 'a\ufffdb\ufffd']);
  });
});

describe('answers of one user', () => {
  it('are limited in number, over two processes', async () => {
    upstream.usual = { chunks: Array.from({ length: 100 }, () => 'w '), delayMs: 50 };
    const chats = await Promise.all([1, 2, 3, 4, 5, 6].map(() => chatWith(`${upstream.url}/v1`)));
    const sending = chats.map((chat, index) => send(chat, index % 2 === 0 ? service : other));
    const settled = await waitFor(async () => {
      const states = await Promise.all(sending.map((one) => Promise.race([one, Bun.sleep(0)])));
      const refused = states.flatMap((answer) => (answer === undefined ? [] : [answer]));
      return refused.length === 4 && refused;
    });
    for (const { status, body, headers } of settled) {
      expect([status, body.code]).toEqual([429, 'TOO_MANY_ANSWERS']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    const eve = await signUp(service);
    expect((await service.get('/users/me', eve.auth)).status).toBe(200);
    for (const chat of chats) {
      const message = await answerIn(chat);
      if (message?.status === 'streaming')
        await service.post(`/chats/${chat}/messages/${message.id}/stop`, undefined, ada.auth);
    }
    await Promise.all(sending);
    upstream.reset();
    expect((await send(chats[0] ?? '')).status).toBe(201);
  });

  it('whose processes died do not use up the limit', async () => {
    const chats = await Promise.all([1, 2, 3].map(() => chatWith(`${upstream.url}/v1`)));
    for (const chat of chats.slice(0, 2)) await send(chat);
    await database.owner.query(
      `UPDATE messages SET status = 'streaming', finished_at = NULL WHERE role = 'assistant' AND chat_id = ANY ($1)`,
      [chats],
    );
    expect((await send(chats[2] ?? '')).status).toBe(201);
    expect((await answerIn(chats[0] ?? '')).errorCode).toBe('ANSWER_INTERRUPTED');
  });
});

describe('tests of keys', () => {
  const keyAt = async (url: string): Promise<string> => {
    const key = { ...keyFor('openai-compatible', upstream), baseUrl: url };
    return (await service.post('/providers', key, ada.auth)).body.id;
  };
  const testKey = (id: string, from = service) =>
    from.post(`/providers/${id}/test`, { model: 'm' }, ada.auth);
  const testOf = async (url: string, from = service) => testKey(await keyAt(url), from);

  it('and answers share one limit, over two processes', async () => {
    flood.kind = 'silence';
    const started = [testOf(flood.url), testOf(flood.url, other)];
    await waitFor(() => flood.sent.requests === 2);
    const chat = await chatWith(flood.url);
    for (const refused of [await testOf(flood.url), await testOf(flood.url, other), await send(chat)]) {
      expect([refused.status, refused.body.code]).toEqual([429, 'TOO_MANY_ANSWERS']);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await Promise.all(started);

    const answers = [send(chat), send(await chatWith(flood.url))];
    await waitFor(() => flood.sent.requests === 4);
    expect((await testOf(flood.url)).status).toBe(429);
    await Promise.all(answers);
    flood.kind = 'one event';
    expect((await testOf(flood.url)).status).toBe(502);
  });

  it('count for an answer that is added at the same moment', async () => {
    flood.kind = 'silence';
    const [chat, key] = [await chatWith(flood.url), await keyAt(flood.url)];
    const client = await database.owner.connect();
    try {
      await client.query('BEGIN; LOCK TABLE messages IN SHARE MODE');
      const sending = send(chat);
      await waitFor(async () => {
        const { rows } = await database.owner.query('SELECT FROM pg_locks WHERE NOT granted');
        return rows.length > 0;
      });
      const started = [testKey(key), testKey(key, other)];
      await waitFor(() => flood.sent.requests === 2);
      await client.query('COMMIT');
      const { status, body } = await sending;
      expect([status, body.code]).toEqual([429, 'TOO_MANY_ANSWERS']);
      expect((await service.get(`/chats/${chat}/messages`, ada.auth)).body.data).toEqual([]);
      await Promise.all(started);
    } finally {
      client.release(true);
    }
  });

  it('stop counting answers whose processes died', async () => {
    const chats = [await chatWith(`${upstream.url}/v1`), await chatWith(`${upstream.url}/v1`)];
    for (const chat of chats) await send(chat);
    await database.owner.query(
      `UPDATE messages SET status = 'streaming', finished_at = NULL, created_at = now() - interval '1 hour'
         WHERE role = 'assistant' AND chat_id = ANY ($1)`,
      [chats],
    );
    expect((await testOf(`${upstream.url}/v1`)).status).toBe(200);
  });

  it.each<[Flood]>([['one event'], ['compressed'], ['error body']])(
    'read a bounded part: %s',
    async (kind) => {
      flood.kind = kind;
      const { status, body } = await testOf(flood.url);
      expect([status, body.code]).toEqual([502, 'PROVIDER_ANSWER_TOO_LARGE']);
      expect(flood.sent.bytes).toBeLessThan(20_000_000);
    },
  );
});

describe('a page of messages', () => {
  it('is bounded in bytes, and the pages have every message once', async () => {
    const chat = await chatWith(`${upstream.url}/v1`);
    await database.owner.query(
      `INSERT INTO messages (user_id, chat_id, id, role, parts, text, status, created_at)
       SELECT $1, $2, gen_random_uuid(), 'user',
              jsonb_build_array(jsonb_build_object('type', 'text', 'text', n || ' ' || repeat('x', 400000))), '', 'complete',
              now() - make_interval(secs => n)
         FROM generate_series(1, 60) n`,
      [ada.id, chat],
    );
    const numbers: number[] = [];
    let cursor = '';
    do {
      const answer = await service.get(`/chats/${chat}/messages?limit=40${cursor}`, ada.auth);
      expect(JSON.stringify(answer.body).length).toBeLessThan(6_000_000);
      for (const { parts } of answer.body.data) numbers.push(Number(parts[0].text.split(' ', 1)[0]));
      const { nextCursor } = answer.body.page;
      cursor = nextCursor === null ? '' : `&cursor=${encodeURIComponent(nextCursor)}`;
    } while (cursor !== '');
    expect(numbers).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  });
});

describe('the history of a chat', () => {
  it('counts what tools were called with, not the text alone', async () => {
    const chat = await chatWith(`${upstream.url}/v1`);
    for (let index = 0; index < 6; index++) await send(chat);
    upstream.requests.length = 0;
    const call = { type: 'tool-currentTime', toolCallId: 't', state: 'output-available', input: {} };
    await database.owner.query(
      `UPDATE messages SET parts = jsonb_build_array($2::jsonb || jsonb_build_object('output', repeat('x', 300000)))
        WHERE chat_id = $1 AND role = 'assistant'`,
      [chat, JSON.stringify(call)],
    );
    await send(chat);
    expect(JSON.stringify(upstream.requests[0]?.body).length).toBeLessThan(400_000);
  });

  it('is read up to the size that its model may be shown', async () => {
    const chat = await chatWith(`${upstream.url}/v1`);
    for (let index = 0; index < 3; index++) {
      const content = `${index}`.repeat(90_000);
      await service.post(`/chats/${chat}/messages`, { content, answer: false }, ada.auth);
    }
    await send(chat);
    const [request] = upstream.requests;
    expect(request?.body.messages.at(-1).content).toBe('Hello?');
    expect(JSON.stringify(request?.body).length).toBeLessThan(200_000);
  });
});
