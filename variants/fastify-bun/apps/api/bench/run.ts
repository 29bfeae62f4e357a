/**
 * Measures the production process on this machine:
 *
 *     bun run bench [--quick]
 *
 * - start and memory, before any load
 * - 200 answers at once, of 200 chunks at 50 a second each: delay of the chunks, memory and CPU of the service, against the
 *   same answers from the provider directly
 * - answers one after the other: the delay of their first chunk
 * - `GET /chats` against a bare Fastify with the same query and the same bytes
 *
 * This process is the provider and the clients. The service, PostgreSQL and Valkey share the machine. Writes
 * bench/results.json.
 */
import { readFile } from 'node:fs/promises';
import { ProviderName } from '@app/shared';
import pg from 'pg';
import { dialectOf } from '../test/support/upstream.js';
import {
  type Figure,
  fieldsOf,
  inTurns,
  median,
  memory,
  QUICK,
  requireSameResponses,
  type Server,
  Service,
  say,
  startServer,
  writeResults,
} from './harness.js';

const STREAMS = QUICK ? 50 : 200;
const CHUNKS = QUICK ? 50 : 200;
/** As many answers at once as ANSWERS_PER_USER_MAX allows. */
const STREAMS_PER_USER = 5;
/** Answers that are made one after the other, each of a few chunks. */
const ALONE = 20;
const CHUNKS_ALONE = 5;
const PACE_MS = 20;
const CONNECTIONS = 32;
const SECONDS = QUICK ? 1 : 6;
const SECONDS_ALONE = QUICK ? 0.5 : 2;

/** When the provider has sent each part of each answer, in milliseconds of this process. */
const sent: number[][] = Array.from({ length: STREAMS + ALONE }, () => []);

const upstream = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  idleTimeout: 0,
  async fetch(request) {
    const body = await request.text();
    const stream = Number(/stream-(\d+)-/.exec(body)?.[1]);
    const count = stream < STREAMS ? CHUNKS : CHUNKS_ALONE;
    const chunks = Array.from({ length: count }, (_, index) => `${index} `);
    const { before, parts, after } = dialectOf(new URL(request.url).pathname).events({ chunks });
    async function* send() {
      yield before.join('');
      const started = performance.now();
      for (const [index, part] of parts.entries()) {
        await Bun.sleep(Math.max(0, started + index * PACE_MS - performance.now()));
        (sent[stream] ?? [])[index] = performance.now();
        yield part;
      }
      yield after.join('');
    }
    return new Response(send(), { headers: { 'content-type': 'text/event-stream' } });
  },
});
const host = `127.0.0.1:${upstream.port}`;

const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
await Bun.spawn([process.execPath, 'apps/api/dist/cli.js', 'migrate'], { stdout: 'ignore' }).exited;

const service = new Service(
  ['DATABASE_URL', 'REDIS_URL'],
  {
    PUBLIC_URL: 'http://localhost',
    SMTP_URL: 'smtp://localhost',
    AUTH_SECRET: 'a'.repeat(64),
    ENCRYPTION_KEYS: 'b'.repeat(64),
  },
  {
    RATE_LIMIT_MAX: '1000000', // one address sends all requests
    AUTH_REQUIRE_VERIFIED_EMAIL: 'false',
    // The provider of this benchmark.
    ANTHROPIC_BASE_URL: `http://${host}/v1`,
    GOOGLE_BASE_URL: `http://${host}/v1beta`,
    OPENAI_BASE_URL: `http://${host}/v1`,
    PROVIDER_ALLOWED_HOSTS: host,
  },
);
const figures = await service.idleFigures();

const JSON_BODY = { 'content-type': 'application/json' };
let server = await service.start();
type Auth = Readonly<Record<string, string>>;
async function post(path: string, body: object, auth: Auth = {}) {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { ...JSON_BODY, ...auth },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as { id: string; token: string; user: { id: string } };
}
const provider = ProviderName.options[0];
/** Each with a key of the provider. */
const users: { id: string; auth: Auth; providerKeyId: string }[] = [];
while (users.length * STREAMS_PER_USER < STREAMS) {
  const { token, user } = await post('/api/auth/sign-up/email', {
    name: 'Bench',
    email: `${crypto.randomUUID()}@example.com`,
    password: 'correct horse battery',
  });
  const auth = { authorization: `Bearer ${token}` };
  const key = {
    provider,
    label: 'bench',
    apiKey: 'sk-bench',
    ...(String(provider) === 'openai-compatible' && { baseUrl: `http://${host}/v1` }),
  };
  users.push({ id: user.id, auth, providerKeyId: (await post('/providers', key, auth)).id });
}
/** The user of an answer; those that are alone are of the first. */
const userOf = (stream: number) =>
  users[stream < STREAMS ? Math.floor(stream / STREAMS_PER_USER) : 0] as (typeof users)[number];
const { id: userId, auth } = userOf(0);
await server.stop();

say(`${STREAMS} answers of ${CHUNKS} chunks, one every ${PACE_MS} ms ...`);
let last = await streamRound();
const streams = await inTurns({
  'delay, 99th percentile': async () => {
    last = await streamRound();
    return quantile(last.through, 0.99);
  },
  'delay, 99th percentile, directly': async () => quantile(last.direct, 0.99),
  'delay, median': async () => median(last.through),
  'delay, median, directly': async () => median(last.direct),
  'first chunk, alone': async () => median(last.alone),
  'first chunk, alone, directly': async () => median(last.aloneDirectly),
  memory: async () => last.mebibytes,
  cpu: async () => last.cpuMicroseconds,
});
const AT_ONCE = `${STREAMS} answers at once, a chunk every ${PACE_MS} ms`;
const ofStreams = `${users.length} users, ${CHUNKS} chunks each; a new process each round, measured after ${STREAMS} other answers`;
const pair = (what: string, name: keyof typeof streams & string, how: string): Figure[] => {
  const DIRECTLY = `${what}, from the provider directly`;
  const direct = streams[`${name}, directly` as keyof typeof streams];
  return [
    { name: what, unit: 'ms', rounds: streams[name], how, versus: [DIRECTLY] },
    { name: DIRECTLY, unit: 'ms', rounds: direct, how },
  ];
};
figures.push(
  ...pair(`${AT_ONCE}: delay of a chunk, 99th percentile`, 'delay, 99th percentile', ofStreams),
  ...pair(`${AT_ONCE}: delay of a chunk, median`, 'delay, median', ofStreams),
  ...pair(
    'answers one after the other: delay of the first chunk, median',
    'first chunk, alone',
    `${ALONE} a round`,
  ),
  {
    name: `memory of ${STREAMS} answers at once`,
    unit: 'MiB',
    rounds: streams.memory,
    how: `highest resident memory of the process in two runs, less that before its first request`,
  },
  { name: 'CPU time of the service for a chunk', unit: 'us', rounds: streams.cpu, how: ofStreams },
);

server = await service.start();
const bare = await startServer([process.execPath, 'apps/api/bench/bare.ts'], {
  DATABASE_URL: process.env.DATABASE_URL ?? '',
  USER_ID: userId,
  HEADERS: JSON.stringify(await fieldsOf(`${server.url}/chats`, auth)),
});
await requireSameResponses([`${server.url}/chats`, `${bare.url}/chats`], auth);
const SERVICE = '`GET /chats`';
const BARE = '`GET /chats` of bare Fastify on Bun and pg: same query, same bytes';
const servers = { [SERVICE]: server, [BARE]: bare };
for (const { url } of Object.values(servers)) await perSecond(`${url}/chats`, CONNECTIONS, SECONDS);
const chats = await inTurns(
  Object.fromEntries(
    Object.entries(servers).flatMap(([name, { url }]) => [
      [name, () => perSecond(`${url}/chats`, CONNECTIONS, SECONDS)],
      [alone(name), async () => 1_000 / (await perSecond(`${url}/chats`, 1, SECONDS_ALONE))],
    ]),
  ),
);
await Promise.all([server.stop(), bare.stop()]);
for (const name of [SERVICE, BARE])
  figures.push({
    name,
    unit: '/s',
    rounds: chats[name] ?? [],
    how: `${CONNECTIONS} connections, ${SECONDS} s a round`,
    ...(name === SERVICE ? { versus: [BARE] } : { note: 'no login' }),
  });
for (const name of [SERVICE, BARE])
  figures.push({
    name: alone(name),
    unit: 'ms',
    rounds: chats[alone(name)] ?? [],
    how: `mean of ${SECONDS_ALONE} s a round`,
  });
await writeResults(service, versions[0].server_version, figures);
await owner.end();
await upstream.stop(true);
process.exit(0);

function alone(name: string): string {
  return `${name}, one connection`;
}

/** Measures a new process, whose memory before its first request is known. */
async function streamRound() {
  server = await service.start();
  const { url, pid } = server;
  await Bun.sleep(1_000);
  const before = memory(pid).resident;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, memory(pid).resident);
  }, 50);
  const chats = await Promise.all(
    Array.from({ length: STREAMS + ALONE }, (_, stream) => {
      const { auth, providerKeyId } = userOf(stream);
      return post('/chats', { providerKeyId, model: 'bench' }, auth);
    }),
  );
  const openThroughService = (index: number) =>
    fetch(`${url}/chats/${chats[index]?.id}/messages`, {
      method: 'POST',
      headers: { ...JSON_BODY, ...userOf(index).auth },
      body: JSON.stringify({ content: `stream-${index}-`, stream: true }),
    });
  const openDirectly = (index: number) =>
    fetch(`http://${host}/v1/chat/completions`, {
      method: 'POST',
      body: `{"stream":true,"content":"stream-${index}-"}`,
    });
  const completeBefore = await completeAnswers();
  await streamAll(openThroughService); // compiles the code
  const cpuBefore = await cpuMicroseconds(server);
  const through = await streamAll(openThroughService);
  const cpuAfter = await cpuMicroseconds(server);
  clearInterval(watch);
  const direct = await streamAll(openDirectly);
  const alone = await firstAlone(openThroughService);
  const aloneDirectly = await firstAlone(openDirectly);
  const complete = (await completeAnswers()) - completeBefore;
  if (complete !== 2 * STREAMS + ALONE)
    throw new Error(`${2 * STREAMS + ALONE} answers, but ${complete} are stored as complete`);
  await server.stop();
  return {
    through,
    direct,
    alone,
    aloneDirectly,
    mebibytes: peak - before,
    cpuMicroseconds: (cpuAfter - cpuBefore) / (STREAMS * CHUNKS),
  };
}

async function completeAnswers(): Promise<number> {
  const { rows } = await owner.query(
    `SELECT count(*)::int AS complete FROM messages WHERE role = 'assistant' AND status = 'complete'`,
  );
  return rows[0].complete;
}

/** Returns the CPU time of the process so far. The kernel counts in hundredths of a second. */
async function cpuMicroseconds({ pid }: Server): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
  return (Number(user) + Number(system)) * 10_000;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** Reads a stream of events to its end, and calls back when a part of the text has come. */
async function readParts(response: Response, onPart: (index: number, at: number) => void): Promise<void> {
  if (!response.ok || response.body === null) throw new Error(`${response.status}: ${await response.text()}`);
  let rest = '';
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
    const at = performance.now();
    rest += bytes;
    const end = rest.lastIndexOf('\n\n') + 1;
    for (const [, index] of rest.slice(0, end).matchAll(/"(?:delta|content|text)":"(\d+) "/g))
      onPart(Number(index), at);
    rest = rest.slice(end);
  }
}

/** Returns the delays of all parts of all answers at once, in milliseconds. */
async function streamAll(open: (stream: number) => Promise<Response>): Promise<number[]> {
  const delays: number[] = [];
  await Promise.all(
    Array.from({ length: STREAMS }, async (_, stream) => {
      const response = await open(stream);
      await readParts(response, (index, at) => delays.push(at - (sent[stream]?.[index] ?? Number.NaN)));
    }),
  );
  if (delays.length !== STREAMS * CHUNKS)
    throw new Error(`${delays.length} of ${STREAMS * CHUNKS} chunks came`);
  return delays;
}

/** Returns the delays of the first parts of answers that have the service to themselves, in milliseconds. */
async function firstAlone(open: (stream: number) => Promise<Response>): Promise<number[]> {
  const first: number[] = [];
  for (let stream = STREAMS; stream < STREAMS + ALONE; stream++) {
    await readParts(await open(stream), (index, at) => {
      if (index === 0) first.push(at - (sent[stream]?.[0] ?? Number.NaN));
    });
  }
  return first;
}

async function perSecond(url: string, connections: number, seconds: number): Promise<number> {
  let count = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() - started < seconds * 1_000) {
        const response = await fetch(url, { headers: auth });
        await response.arrayBuffer();
        if (response.status !== 200) throw new Error(`${url}: ${response.status}`);
        count++;
      }
    }),
  );
  return (count * 1_000) / (performance.now() - started);
}
