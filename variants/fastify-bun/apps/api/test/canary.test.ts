import { afterAll, beforeAll, expect, it } from 'bun:test';
import { ProviderName } from '@app/shared';
import { createDatabase, type TestDatabase } from './support/database.js';
import { CANARY, gateways, keyFor } from './support/providers.js';
import { settings } from './support/service.js';
import { startUpstream, type Upstream } from './support/upstream.js';
import { PASSWORD } from './support/users.js';

let database: TestDatabase;
let upstream: Upstream;

/** A text of the user's: it is in responses, and in nothing that operators read. */
const MODEL = 'model-of-the-user';

beforeAll(async () => {
  database = await createDatabase();
  upstream = startUpstream();
});

afterAll(async () => {
  await upstream.stop();
  await database.drop();
});

it('a provider key is in no answer, no line of the log, no span and no row, whatever goes wrong', async () => {
  const log: string[] = [];
  const answers: string[] = [];
  const spans: string[] = [];
  const collector = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      spans.push(await request.text());
      return Response.json({});
    },
  });
  const child = Bun.spawn([process.execPath, new URL('../src/index.ts', import.meta.url).pathname], {
    cwd: '/tmp',
    stdout: 'pipe',
    stderr: 'pipe',
    env: {
      PATH: process.env.PATH,
      ...settings(database),
      ...gateways(upstream),
      LOG_LEVEL: 'trace',
      PROVIDER_RETRIES: '0',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url.origin,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      HOST: '127.0.0.1',
      PORT: '0',
    },
  });
  const reading = [child.stdout, child.stderr].map(async (stream) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) log.push(chunk);
  });
  let url: string | undefined;
  while (url === undefined) {
    await Bun.sleep(20);
    url = /Server listening at (http:[^"]+)/.exec(log.join(''))?.[1];
  }
  let auth = {};
  async function call(method: string, path: string, body?: object) {
    const response = await fetch(url + path, {
      method,
      headers: { ...auth, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    answers.push(JSON.stringify([...response.headers]), text);
    return text.startsWith('{') ? JSON.parse(text) : undefined;
  }

  const { token } = await call('POST', '/api/auth/sign-up/email', {
    name: 'Ada',
    email: 'ada@example.com',
    password: PASSWORD,
  });
  auth = { authorization: `Bearer ${token}` };
  for (const provider of ProviderName.options) {
    const { id: providerKeyId } = await call('POST', '/providers', keyFor(provider, upstream));
    await call('POST', '/providers', { ...keyFor(provider, upstream), provider: 'nobody' });
    const { id } = await call('POST', '/chats', { providerKeyId, model: MODEL });
    for (const behaviour of [
      { chunks: ['fine'] },
      { status: 401 },
      { status: 429 },
      { status: 500 },
      { chunks: ['a', 'b'], breakAfter: 1 },
    ]) {
      for (const stream of [false, true]) {
        upstream.next(behaviour);
        await call('POST', `/chats/${id}/messages`, { content: 'Hello?', stream });
      }
      upstream.next(behaviour);
      await call('POST', `/providers/${providerKeyId}/test`, { model: MODEL });
    }
    await database.owner.query('ALTER TABLE provider_keys RENAME TO hidden');
    await call('POST', '/providers', keyFor(provider, upstream));
    await database.owner.query('ALTER TABLE hidden RENAME TO provider_keys');
    await call('POST', `/providers/${providerKeyId}/rotate`, { apiKey: CANARY });
  }
  await call('GET', '/providers');
  await call('GET', '/openapi.json');
  await call('GET', '/metrics');
  child.kill('SIGTERM');
  await child.exited;
  await Promise.all(reading);
  await collector.stop(true);

  // The providers have had it, or nothing of this was worth a look.
  expect(upstream.requests.length).toBeGreaterThan(10);
  expect(log.join('')).toContain('a provider has failed');
  expect(log.join('')).toContain('unexpected error');
  expect(spans.join('\n')).toContain('"name":"chat"');
  expect(answers.join('\n')).not.toContain('canary');
  expect(spans.join('\n')).not.toContain('canary');
  expect(log.join('')).not.toContain('canary');
  expect(spans.join('\n') + log.join('')).not.toContain(MODEL);
  const { rows: tables } = await database.owner.query(
    `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
  );
  for (const { relname } of tables) {
    const { rowCount } = await database.owner.query(`SELECT FROM ${relname} t WHERE t::text LIKE '%canary%'`);
    expect([relname, rowCount]).toEqual([relname, 0]);
  }
});
