import { afterAll, afterEach, beforeAll, describe, expect, it } from 'bun:test';
import { ProviderName } from '@app/shared';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { openEvents, textIn } from '../support/events.js';
import { gateways, keyFor, startChat } from '../support/providers.js';
import { startService, type TestService } from '../support/service.js';
import { startUpstream, type Upstream } from '../support/upstream.js';
import { PASSWORD, signUp, type TestUser } from '../support/users.js';
import { waitFor } from '../support/wait.js';

const GRACE_MS = 400;

let database: TestDatabase;
let upstream: Upstream;
let service: TestService;
/** Another process, as far as memory goes. */
let other: TestService;
let ada: TestUser;

beforeAll(async () => {
  database = await createDatabase();
  upstream = startUpstream();
  const settings = {
    ...gateways(upstream),
    STREAM_GRACE_MS: String(GRACE_MS),
    PROVIDER_FIRST_CHUNK_TIMEOUT_MS: '700',
    PROVIDER_CHUNK_TIMEOUT_MS: '700',
    PROVIDER_RETRIES: '1',
  };
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

const send = (chatId: string, content = 'Hello?') =>
  service.post(`/chats/${chatId}/messages`, { content }, ada.auth);
const openAnswer = (chatId: string, content = 'Hello?') =>
  openEvents(service, ada, `/chats/${chatId}/messages`, { body: { content, stream: true } });
const messageOf = async (chatId: string, id: string) =>
  (await service.get(`/chats/${chatId}/messages/${id}`, ada.auth)).body;
const isOver = (chatId: string, id: string) =>
  waitFor(async () => {
    const message = await messageOf(chatId, id);
    return message.status !== 'streaming' && message;
  });
const slow = { chunks: Array.from({ length: 40 }, (_, index) => `w${index} `), delayMs: 25 };

describe('a whole answer', () => {
  it.each(ProviderName.options)(
    'comes from %s with its text and its usage, and is kept',
    async (provider) => {
      const chat = await startChat(service, upstream, ada, { provider });
      const { status, body } = await send(chat.id);
      expect(status).toBe(201);
      expect(body.userMessage).toMatchObject({
        role: 'user',
        status: 'complete',
        parts: [{ type: 'text', text: 'Hello?' }],
      });
      expect(body.message).toMatchObject({
        role: 'assistant',
        status: 'complete',
        provider,
        model: 'some-model',
        inputTokens: 11,
        outputTokens: 7,
        errorCode: null,
      });
      expect(body.message.parts.find((part: { type: string }) => part.type === 'text').text).toBe(
        'Hello, world',
      );
      expect(await messageOf(chat.id, body.message.id)).toEqual(body.message);
    },
  );

  it('is asked for with the system prompt and what was said before', async () => {
    const chat = await startChat(service, upstream, ada, {
      provider: ProviderName.options.at(-1) as string,
      systemPrompt: 'Be brief.',
    });
    await send(chat.id, 'First question');
    await send(chat.id, 'Second question');
    const asked = JSON.stringify(upstream.requests.at(-1)?.body);
    for (const text of ['Be brief.', 'First question', 'Hello, world', 'Second question'])
      expect(asked).toContain(text);
    expect(asked.indexOf('First question')).toBeLessThan(asked.indexOf('Second question'));
  });

  it('is asked for with no more of the conversation than the chat allows', async () => {
    const chat = await startChat(service, upstream, ada, { historyTokens: 256 });
    await send(chat.id, `old ${'word '.repeat(300)}`);
    await send(chat.id, 'new question');
    const asked = JSON.stringify(upstream.requests.at(-1)?.body);
    expect(asked).toContain('new question');
    expect(asked).not.toContain('old word');
  });
});

describe('a streamed answer', () => {
  it.each(ProviderName.options)('comes from %s bit by bit, in numbered events', async (provider) => {
    const chat = await startChat(service, upstream, ada, { provider });
    upstream.usual = { chunks: ['Hel', 'lo'], delayMs: 50 };
    const events = await openAnswer(chat.id);
    expect(events.status).toBe(200);
    expect(events.headers.get('content-type')).toBe('text/event-stream');
    expect(events.headers.get('x-vercel-ai-ui-message-stream')).toBe('v1');
    const all = await events.rest();
    expect(textIn(all)).toBe('Hello');
    expect(all.at(-1)?.data).toBe('[DONE]');
    expect(all.slice(0, -1).map(({ id }) => id)).toEqual(all.slice(0, -1).map((_, index) => index + 1));
    const { messageId } = all[0]?.data ?? {};
    const finish = all.find(({ data }) => data.type === 'finish')?.data;
    expect(finish.messageMetadata).toMatchObject({ provider, inputTokens: 11, outputTokens: 7 });
    expect(await isOver(chat.id, messageId)).toMatchObject({ status: 'complete', outputTokens: 7 });
  });

  it('begins before it is over', async () => {
    const chat = await startChat(service, upstream, ada);
    upstream.usual = slow;
    const events = await openAnswer(chat.id);
    await events.until(({ data }) => data.type === 'text-delta');
    const [{ status }] = (await service.get(`/chats/${chat.id}/messages`, ada.auth)).body.data;
    expect(status).toBe('streaming');
    await events.rest();
  });

  it('is one at a time in a chat', async () => {
    const chat = await startChat(service, upstream, ada);
    upstream.usual = slow;
    const events = await openAnswer(chat.id);
    await events.next();
    const second = await send(chat.id);
    expect([second.status, second.body.code]).toEqual([409, 'ANSWER_IN_PROGRESS']);
    expect(textIn(await events.rest())).toBe(slow.chunks.join(''));
  });
});

describe('a client that loses its connection', () => {
  it.each(['the same process', 'another process'])(
    'comes back to %s and goes on where it was',
    async (where) => {
      const chat = await startChat(service, upstream, ada);
      upstream.usual = slow;
      const events = await openAnswer(chat.id);
      const seen = await events.until(({ data }) => data.type === 'text-delta' && data.delta === 'w5 ');
      events.leave();
      const { messageId } = seen[0]?.data ?? {};
      await Bun.sleep(GRACE_MS / 4);
      const back = await openEvents(
        where === 'another process' ? other : service,
        ada,
        `/chats/${chat.id}/messages/${messageId}/stream`,
        {
          lastEventId: seen.at(-1)?.id ?? 0,
        },
      );
      const rest = await back.rest();
      expect(rest[0]?.id).toBe(Number(seen.at(-1)?.id) + 1);
      expect(textIn([...seen, ...rest])).toBe(slow.chunks.join(''));
      expect(rest.at(-1)?.data).toBe('[DONE]');
      expect((await isOver(chat.id, messageId)).status).toBe('complete');
      expect(upstream.aborted.count).toBe(0);
    },
  );

  it('may come back for longer than other requests take', async () => {
    const quick = await startService(database, { ...gateways(upstream), REQUEST_TIMEOUT_MS: '500' });
    try {
      const chat = await startChat(quick, upstream, ada);
      upstream.usual = { ...slow, delayMs: 50 };
      const events = await openEvents(quick, ada, `/chats/${chat.id}/messages`, {
        body: { content: 'Hello?', stream: true },
      });
      const [{ data } = { data: {} }] = await events.until((event) => event.data.type === 'start');
      const back = await openEvents(quick, ada, `/chats/${chat.id}/messages/${data.messageId}/stream`);
      const rest = await back.rest();
      expect([textIn(rest), rest.at(-1)?.data]).toEqual([slow.chunks.join(''), '[DONE]']);
      events.leave();
    } finally {
      await quick.stop();
    }
  });

  it('may come back after the end, and gets what it has missed', async () => {
    const chat = await startChat(service, upstream, ada);
    const all = await (await openAnswer(chat.id)).rest();
    const { messageId } = all[0]?.data ?? {};
    await isOver(chat.id, messageId);
    const path = `/chats/${chat.id}/messages/${messageId}/stream`;
    for (const process of [service, other]) {
      const back = await openEvents(process, ada, path, { lastEventId: 3 });
      expect(await back.rest()).toEqual(all.slice(3));
    }
  });

  it('and does not come back has the provider stopped, and what was received kept', async () => {
    const chat = await startChat(service, upstream, ada);
    upstream.usual = { ...slow, chunks: Array.from({ length: 400 }, (_, index) => `w${index} `) };
    const events = await openAnswer(chat.id);
    const seen = await events.until(({ data }) => data.type === 'text-delta' && data.delta === 'w5 ');
    events.leave();
    const message = await isOver(chat.id, seen[0]?.data.messageId);
    expect(message.status).toBe('stopped');
    expect(message.parts.find((part: { type: string }) => part.type === 'text').text).toStartWith(
      'w0 w1 w2 w3 w4 w5 ',
    );
    await waitFor(() => upstream.aborted.count === 1);
  });

  it('waits for a whole answer has the provider stopped as well', async () => {
    const chat = await startChat(service, upstream, ada);
    upstream.usual = { ...slow, chunks: Array.from({ length: 400 }, () => 'w ') };
    const leave = new AbortController();
    const request = fetch(`${service.url}/chats/${chat.id}/messages`, {
      method: 'POST',
      signal: leave.signal,
      headers: { ...ada.auth, 'content-type': 'application/json' },
      body: JSON.stringify({ content: 'Hello?' }),
    });
    await waitFor(() => upstream.requests.length === 1);
    leave.abort();
    await request.catch(() => {});
    await waitFor(() => upstream.aborted.count === 1);
  });

  it('finds nothing to come back to where nothing is kept any more', async () => {
    const chat = await startChat(service, upstream, ada);
    const { body } = await send(chat.id);
    await service.app.valkey.flushall();
    const { status } = await service.get(`/chats/${chat.id}/messages/${body.message.id}/stream`, ada.auth);
    expect(status).toBe(204);
  });

  it('is told when the process that made the answer has died', async () => {
    const chat = await startChat(service, upstream, ada);
    const { body } = await send(chat.id);
    const { id } = body.message;
    // What is left of a stream whose process was killed: events, no end, and nobody who says that it is alive.
    const [key = ''] = await service.app.valkey.keys(`*:chat:events:${id}`);
    await service.app.valkey.del(key);
    await service.app.valkey.xadd(key, '1-0', 'text', 'id: 1\ndata: {"type":"start"}\n\n');
    const events = await openEvents(service, ada, `/chats/${chat.id}/messages/${id}/stream`);
    const all = await events.rest();
    expect(all.map(({ data }) => data.type ?? data)).toEqual(['start', 'error', '[DONE]']);
    expect(all[1]?.data.errorText).toStartWith('ANSWER_INTERRUPTED: ');
  });
});

describe('stopping an answer', () => {
  it.each(['the same process', 'another process'])(
    'from %s ends it at once, and keeps what there is',
    async (where) => {
      const chat = await startChat(service, upstream, ada);
      upstream.usual = { ...slow, chunks: Array.from({ length: 400 }, (_, index) => `w${index} `) };
      const events = await openAnswer(chat.id);
      const seen = await events.until(({ data }) => data.type === 'text-delta' && data.delta === 'w3 ');
      const { messageId } = seen[0]?.data ?? {};
      const process = where === 'another process' ? other : service;
      expect(
        (await process.post(`/chats/${chat.id}/messages/${messageId}/stop`, undefined, ada.auth)).status,
      ).toBe(202);
      const rest = await events.rest();
      expect(rest.slice(-2).map(({ data }) => data.type ?? data)).toEqual(['abort', '[DONE]']);
      const message = await isOver(chat.id, messageId);
      expect([message.status, message.errorCode]).toEqual(['stopped', null]);
      expect(message.parts.find((part: { type: string }) => part.type === 'text').text).toBe(
        textIn([...seen, ...rest]),
      );
      await waitFor(() => upstream.aborted.count === 1);
      upstream.reset();
      expect((await send(chat.id, 'Go on')).status).toBe(201);
    },
  );

  it('that is over changes nothing', async () => {
    const chat = await startChat(service, upstream, ada);
    const { body } = await send(chat.id);
    const path = `/chats/${chat.id}/messages/${body.message.id}`;
    expect((await service.post(`${path}/stop`, undefined, ada.auth)).status).toBe(202);
    expect((await service.get(path, ada.auth)).body.status).toBe('complete');
  });
});

describe('a provider that fails', () => {
  it.each([
    [401, 422, 'PROVIDER_KEY_REJECTED', 1],
    [404, 422, 'MODEL_NOT_FOUND', 1],
    [400, 422, 'PROVIDER_REFUSED', 1],
    [429, 429, 'PROVIDER_RATE_LIMITED', 2],
    [503, 502, 'PROVIDER_UNAVAILABLE', 2],
  ])(
    'with %d is a typed error, and is asked again where that makes sense',
    async (answer, status, code, requests) => {
      const chat = await startChat(service, upstream, ada);
      upstream.usual = { status: answer };
      const told = await send(chat.id);
      expect([told.status, told.body.code]).toEqual([status, code]);
      expect(JSON.stringify(told.body)).not.toContain('canary');
      expect(upstream.requests).toHaveLength(requests);
      const [message] = (await service.get(`/chats/${chat.id}/messages`, ada.auth)).body.data;
      expect([message.status, message.errorCode, message.parts]).toEqual(['failed', code, []]);
    },
  );

  it('for a moment is asked again, after as long as it has said', async () => {
    const chat = await startChat(service, upstream, ada);
    upstream.next({ status: 429, headers: { 'retry-after': '1' } });
    const started = performance.now();
    const { status, body } = await send(chat.id);
    expect([status, body.message.status]).toEqual([201, 'complete']);
    expect(performance.now() - started).toBeGreaterThan(1_000);
    expect(upstream.requests).toHaveLength(2);
  });

  it('for longer than is worth waiting is not asked again', async () => {
    const chat = await startChat(service, upstream, ada);
    upstream.usual = { status: 429, headers: { 'retry-after': '120' } };
    const { status, headers } = await send(chat.id);
    expect([status, headers.get('retry-after')]).toEqual([429, '120']);
    expect(upstream.requests).toHaveLength(1);
  });

  it('before it has said a word gives way to the next one in the user’s order', async () => {
    const bob = await signUp(service);
    const chat = await startChat(service, upstream, bob);
    for (const [position, defaultModel] of [
      [2, 'second-model'],
      [1, 'first-model'],
    ] as const) {
      const key = { ...keyFor(ProviderName.options.at(-1) as string, upstream), position, defaultModel };
      expect((await service.post('/providers', key, bob.auth)).status).toBe(201);
    }
    upstream.next({ status: 401 }, { status: 404 });
    const { body } = await service.post(`/chats/${chat.id}/messages`, { content: 'Hello?' }, bob.auth);
    expect(body.message).toMatchObject({
      status: 'complete',
      provider: ProviderName.options.at(-1),
      model: 'second-model',
    });
    expect(upstream.requests).toHaveLength(3);
    upstream.reset();
    upstream.usual = { status: 400 };
    const refused = await service.post(`/chats/${chat.id}/messages`, { content: 'Hello?' }, bob.auth);
    expect([refused.body.code, upstream.requests.length]).toEqual(['PROVIDER_REFUSED', 1]);
  });

  it.each([
    ['breaks off', { breakAfter: 2 }, 'PROVIDER_STREAM_BROKEN'],
    ['falls silent', { stallAfter: 2 }, 'PROVIDER_TIMEOUT'],
  ])('in the middle (%s) is an error in the stream, and what was received is kept', async (_, how, code) => {
    const chat = await startChat(service, upstream, ada);
    const { promise: sign, resolve: breakOff } = Promise.withResolvers<void>();
    upstream.usual = { chunks: ['one ', 'two ', 'three ', 'four'], delayMs: 20, sign, ...how };
    const answer = await openAnswer(chat.id);
    const received = await answer.until(({ data }) => data.delta === 'two ');
    breakOff();
    const all = [...received, ...(await answer.rest())];
    const error = all.find(({ data }) => data.type === 'error')?.data;
    expect(error.errorText).toStartWith(`${code}: `);
    expect(all.at(-1)?.data).toBe('[DONE]');
    const message = await isOver(chat.id, all[0]?.data.messageId);
    expect([message.status, message.errorCode]).toEqual(['failed', code]);
    expect(message.parts.find((part: { type: string }) => part.type === 'text').text).toBe('one two ');
    // No second answer after the beginning of a first.
    expect(upstream.requests).toHaveLength(1);
  });

  it('to begin in time is given up', async () => {
    const chat = await startChat(service, upstream, ada);
    upstream.usual = { chunks: ['late'], stallAfter: 0 };
    const { status, body } = await send(chat.id);
    expect([status, body.code]).toEqual([504, 'PROVIDER_TIMEOUT']);
    await waitFor(() => upstream.aborted.count === 1);
  });
});

const SPEAKS_OPENAI = (ProviderName.options as readonly string[]).find((name) => name.startsWith('openai'));

describe.if(SPEAKS_OPENAI !== undefined)('a tool', () => {
  const withTools = (useTools: boolean) =>
    startChat(service, upstream, ada, { provider: SPEAKS_OPENAI as string, useTools });

  it('is called with what the model asks, and its answer goes back to the model', async () => {
    const chat = await withTools(true);
    upstream.next({ toolCall: { name: 'currentTime', input: { timeZone: 'Europe/Berlin' } } });
    const { body } = await send(chat.id, 'What time is it?');
    expect(body.message.status).toBe('complete');
    const part = body.message.parts.find(({ type }: { type: string }) => type === 'tool-currentTime');
    expect(part).toMatchObject({ state: 'output-available', output: { timeZone: 'Europe/Berlin' } });
    expect(upstream.requests).toHaveLength(2);
    expect(JSON.stringify(upstream.requests[1]?.body.messages)).toContain('Europe/Berlin');
  });

  it('refuses arguments that do not fit, and the model hears of it', async () => {
    const chat = await withTools(true);
    upstream.next({ toolCall: { name: 'currentTime', input: { timeZone: '../../etc/passwd' } } });
    const { body } = await send(chat.id);
    expect(body.message.status).toBe('complete');
    expect(body.message.parts.find(({ type }: { type: string }) => type === 'tool-currentTime').state).toBe(
      'output-error',
    );
  });

  it('is offered only where the chat says so', async () => {
    await send((await withTools(false)).id);
    expect(upstream.requests[0]?.body.tools).toBeUndefined();
  });
});

describe('a chat', () => {
  it('whose process has died in the middle of an answer goes on', async () => {
    const chat = await startChat(service, upstream, ada);
    const { body } = await send(chat.id);
    await database.owner.query(`UPDATE messages SET status = 'streaming', finished_at = NULL WHERE id = $1`, [
      body.message.id,
    ]);
    expect((await send(chat.id)).status).toBe(201);
    expect(await messageOf(chat.id, body.message.id)).toMatchObject({
      status: 'failed',
      errorCode: 'ANSWER_INTERRUPTED',
    });
  });

  it('whose key was deleted says so, and takes another one', async () => {
    const chat = await startChat(service, upstream, ada);
    await service.delete(`/providers/${chat.providerKeyId}`, ada.auth);
    expect((await service.get(`/chats/${chat.id}`, ada.auth)).body.providerKeyId).toBeNull();
    const { status, body } = await send(chat.id);
    expect([status, body.code]).toEqual([409, 'NO_PROVIDER_KEY']);
    const { providerKeyId } = await startChat(service, upstream, ada);
    const current = { ...ada.auth, 'if-match': '"2"' };
    expect((await service.patch(`/chats/${chat.id}`, { providerKeyId }, current)).status).toBe(200);
    expect((await send(chat.id)).status).toBe(201);
  });

  it('answers while Valkey is away', async () => {
    const alone = await startService(database, { ...gateways(upstream), REDIS_URL: 'redis://127.0.0.1:1' });
    try {
      const chat = await startChat(alone, upstream, ada);
      const events = await openEvents(alone, ada, `/chats/${chat.id}/messages`, {
        body: { content: 'Hi', stream: true },
      });
      expect(textIn(await events.rest())).toBe('Hello, world');
    } finally {
      await alone.stop();
    }
  });
});

describe('an open stream', () => {
  it('ends soon after the session of its reader', async () => {
    upstream.usual = { chunks: Array.from({ length: 600 }, () => 'w '), delayMs: 50 };
    const user = await signUp(service);
    const chat = await startChat(service, upstream, user);
    const password = { email: user.email, password: PASSWORD };
    const { token } = (await service.post('/api/auth/sign-in/email', password)).body;
    const thief = { ...user, auth: { authorization: `Bearer ${token}` } };
    const events = await openEvents(service, thief, `/chats/${chat.id}/messages`, {
      body: { content: 'Hello?', stream: true },
    });
    await events.until(({ data }) => data.type === 'text-delta');
    expect((await service.post('/api/auth/revoke-other-sessions', undefined, user.auth)).status).toBe(200);
    const rest = await events.rest().catch(() => []);
    expect(rest.length).toBeLessThan(400);
    expect(rest.at(-1)?.data).not.toBe('[DONE]');
  });

  it('is one of 20 of its user at most', async () => {
    upstream.usual = { chunks: Array.from({ length: 600 }, () => 'w '), delayMs: 50 };
    const user = await signUp(service);
    const chat = await startChat(service, upstream, user);
    const first = await openEvents(service, user, `/chats/${chat.id}/messages`, {
      body: { content: 'Hello?', stream: true },
    });
    const [{ data } = { data: {} }] = await first.until((event) => event.data.type === 'start');
    const path = `/chats/${chat.id}/messages/${data.messageId}/stream`;
    const readers = await Promise.all(Array.from({ length: 24 }, () => openEvents(service, user, path)));
    expect(readers.map(({ status }) => status).filter((status) => status === 429)).toHaveLength(5);
    const refused = await service.get(path, user.auth);
    expect([refused.status, refused.body.code]).toEqual([429, 'RATE_LIMITED']);
    const another = await startChat(service, upstream, user);
    const given = { content: 'Hello?', stream: true };
    const unsent = await service.post(`/chats/${another.id}/messages`, given, user.auth);
    expect([unsent.status, unsent.body.code]).toEqual([429, 'RATE_LIMITED']);
    expect((await service.get(`/chats/${another.id}/messages`, user.auth)).body.data).toEqual([]);
    for (const reader of readers) reader.leave();
    const back = await waitFor(async () => {
      const reader = await openEvents(service, user, path);
      return reader.status === 200 && reader;
    });
    back.leave();
    first.leave();
  });
});
