import { afterAll, afterEach, beforeAll, describe, expect, it } from 'bun:test';
import { type Client, createClient, OPERATIONS, ProblemError, type StreamChunk } from '@app/shared';
import { createDatabase, type TestDatabase } from './support/database.js';
import { ANY_PROVIDER, gateways, keyFor } from './support/providers.js';
import { startService, type TestService } from './support/service.js';
import { startUpstream, type Upstream } from './support/upstream.js';
import { signUp, type TestUser } from './support/users.js';

let database: TestDatabase;
let upstream: Upstream;
let service: TestService;
let ada: TestUser;
let client: Client;

beforeAll(async () => {
  database = await createDatabase();
  upstream = startUpstream();
  service = await startService(database, gateways(upstream));
  ada = await signUp(service);
  client = createClient({ baseUrl: service.url, headers: ada.auth });
});

afterEach(() => upstream.reset());

afterAll(async () => {
  await service.stop();
  await upstream.stop();
  await database.drop();
});

async function startChat(): Promise<string> {
  const key = await client.createProviderKey({ body: keyFor(ANY_PROVIDER, upstream) as never });
  return (await client.createChat({ body: { providerKeyId: key.id, model: 'm' } })).id;
}

const textOf = (chunks: readonly StreamChunk[]) => chunks.map(({ delta = '' }) => delta).join('');

describe('the client', () => {
  it('knows every operation of the OpenAPI document, but for log-in, which Better Auth’s own client does', async () => {
    const { body } = await service.get('/openapi.json');
    type Methods = Record<string, { tags: string[]; operationId: string }>;
    const documented = Object.entries<Methods>(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { tags, operationId }]) =>
        tags.includes('auth') ? [] : [`${operationId} ${method.toUpperCase()} ${path}`],
      ),
    );
    const known = Object.entries(OPERATIONS).map(([name, { method, path }]) => `${name} ${method} ${path}`);
    // `streamMessage` goes on with it by itself.
    const resumed = 'followAnswer GET /chats/{id}/messages/{messageId}/stream';
    expect([...known, resumed].toSorted()).toEqual(documented.toSorted());
  });

  it('sends and gets what the schemas say, with points in time as dates', async () => {
    const me = await client.getMe();
    expect(me.email).toBe(ada.email);
    expect(me.createdAt).toBeInstanceOf(Date);
    const id = await startChat();
    const { message } = await client.sendMessage({ id, body: { content: 'Hello?' } });
    expect([message?.status, message?.finishedAt]).toEqual(['complete', expect.any(Date)]);
    expect((await client.listMessages({ id, query: { limit: 1 } })).data[0] ?? null).toEqual(message);
    expect((await client.listChats()).data.map((chat) => chat.id)).toContain(id);
    expect(await client.deleteChat({ id })).toBeUndefined();
  });

  it('throws the problem that the service tells', async () => {
    const failure = await client.getChat({ id: crypto.randomUUID() }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProblemError);
    expect((failure as ProblemError).problem.code).toBe('CHAT_NOT_FOUND');
  });

  it('reads an answer to its end although connections break', async () => {
    const id = await startChat();
    const words = Array.from({ length: 30 }, (_, index) => `w${index} `);
    upstream.usual = { chunks: words, delayMs: 20 };
    let connections = 0;
    const shaky = createClient({
      baseUrl: service.url,
      headers: ada.auth,
      async fetch(url, init) {
        const broken = new AbortController();
        // Every connection but the third breaks after a while.
        if (++connections < 3) setTimeout(() => broken.abort(), 150);
        return fetch(url, { ...init, signal: broken.signal });
      },
    });
    const chunks: StreamChunk[] = [];
    for await (const chunk of shaky.streamMessage({ id, content: 'Hello?' })) chunks.push(chunk);
    expect(textOf(chunks)).toBe(words.join(''));
    expect(connections).toBe(3);
    expect(upstream.requests).toHaveLength(1);
  });
});
