/**
 * What the service costs on this machine, as ratios within one run:
 *
 *     bun run bench [--quick]
 *
 * - 200 answers at once, of 200 chunks at 50 a second each: what the service adds to each chunk, and what it keeps in memory
 * - answers one after the other: when the first chunk of a provider is there
 * - `GET /chats` against a bare Fastify with the same query and the same bytes
 * - from the start of the process to the first answer
 *
 * The provider, the clients, PostgreSQL and Valkey run on the machine that also runs the service; provider and clients are one
 * process. Writes bench/results.json and bench/throughput.svg.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { ProviderName } from '@app/shared';
import pg from 'pg';
import { dialectOf } from '../test/support/upstream.js';
import { plot } from './plot.js';

const QUICK = process.argv.includes('--quick');
const STREAMS = QUICK ? 50 : 200;
const CHUNKS = QUICK ? 50 : 200;
/** Answers that are made one after the other, each of a few chunks. */
const ALONE = 20;
const CHUNKS_ALONE = 5;
const PACE_MS = 20;
const WORKERS = 32;
const ROUNDS = QUICK ? 1 : 3;
const ROUND_MS = QUICK ? 2_000 : 8_000;
const POOL = '20';

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

interface Service {
  readonly url: string;
  readonly child: Bun.Subprocess;
  /** From the start of the process to the first answer with 200, in milliseconds. */
  readonly startMs: number;
}

async function serve(file: string, settings: Record<string, string>): Promise<Service> {
  const started = performance.now();
  const child = Bun.spawn([process.execPath, new URL(file, import.meta.url).pathname], {
    stdout: 'pipe',
    stderr: 'inherit',
    env: { ...process.env, DATABASE_POOL_MAX: POOL, HOST: '127.0.0.1', PORT: '0', ...settings },
  });
  const listening = Promise.withResolvers<string>();
  void (async () => {
    let text = '';
    // To the end: a process whose output nobody takes would wait.
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
      if (text.length < 10_000) text += part;
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
      if (url !== undefined) listening.resolve(url);
    }
    listening.reject(new Error(`${file} did not start: ${text}`));
  })();
  const url = await listening.promise;
  while (!(await fetch(`${url}${settings.READY ?? '/health/ready'}`)).ok) await Bun.sleep(1);
  return { url, child, startMs: performance.now() - started };
}

async function residentBytes({ child }: Service): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024;
}

/** What the process has computed so far. The kernel counts in hundredths of a second. */
async function cpuMicroseconds({ child }: Service): Promise<number> {
  const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
  const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
  return (Number(user) + Number(system)) * 10_000;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** Reads a stream of events to its end, and hands out when each part of the text came. */
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

/** The delays of all parts of all answers at once, in milliseconds. */
async function stream(open: (stream: number) => Promise<Response>) {
  const delays: number[] = [];
  const first: number[] = [];
  let parts = 0;
  await Promise.all(
    Array.from({ length: STREAMS }, async (_, stream) => {
      const response = await open(stream);
      await readParts(response, (index, at) => {
        parts++;
        const delay = at - (sent[stream]?.[index] ?? Number.NaN);
        delays.push(delay);
        if (index === 0) first.push(delay);
      });
    }),
  );
  if (parts !== STREAMS * CHUNKS) throw new Error(`${parts} of ${STREAMS * CHUNKS} parts came`);
  return {
    delays,
    p50: quantile(delays, 0.5),
    p99: quantile(delays, 0.99),
    firstP50: quantile(first, 0.5),
    firstP99: quantile(first, 0.99),
  };
}

/** The delays of the first parts of answers that have the service to themselves, in milliseconds. */
async function firstAlone(open: (stream: number) => Promise<Response>): Promise<number[]> {
  const first: number[] = [];
  for (let stream = STREAMS; stream < STREAMS + ALONE; stream++) {
    await readParts(await open(stream), (index, at) => {
      if (index === 0) first.push(at - (sent[stream]?.[0] ?? Number.NaN));
    });
  }
  return first;
}

/** Requests a second. */
async function rate(url: string, headers: Record<string, string>): Promise<number> {
  let count = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: WORKERS }, async () => {
      while (performance.now() - started < ROUND_MS) {
        const response = await fetch(url, { headers });
        await response.arrayBuffer();
        if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
        count++;
      }
    }),
  );
  return (count * 1_000) / (performance.now() - started);
}

const median = (values: readonly number[]) => quantile(values, 0.5);

// --- a service with a user, a key and a chat for each stream
await Bun.spawn([process.execPath, new URL('../dist/cli.js', import.meta.url).pathname, 'migrate'], {
  stdout: 'ignore',
}).exited;
const service = await serve('../dist/index.js', {
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  RATE_LIMIT_ENABLED: 'false',
  AUTH_REQUIRE_VERIFIED_EMAIL: 'false',
  PUBLIC_URL: 'http://localhost',
  AUTH_SECRET: 'a'.repeat(64),
  ENCRYPTION_KEYS: 'b'.repeat(64),
  ANTHROPIC_BASE_URL: `http://${host}/v1`,
  GOOGLE_BASE_URL: `http://${host}/v1beta`,
  OPENAI_BASE_URL: `http://${host}/v1`,
  PROVIDER_ALLOWED_HOSTS: host,
});

const JSON_BODY = { 'content-type': 'application/json' };
let auth: Record<string, string> = {};
async function post(path: string, body: object) {
  const response = await fetch(service.url + path, {
    method: 'POST',
    headers: { ...JSON_BODY, ...auth },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as { id: string; token: string; user: { id: string } };
}
const account = await post('/api/auth/sign-up/email', {
  name: 'Bench',
  email: `${crypto.randomUUID()}@example.com`,
  password: 'correct horse battery',
});
auth = { authorization: `Bearer ${account.token}` };
const provider = ProviderName.options[0];
const key = await post('/providers', {
  provider,
  label: 'bench',
  apiKey: 'sk-bench',
  ...(String(provider) === 'openai-compatible' && { baseUrl: `http://${host}/v1` }),
});
const chats = await Promise.all(
  Array.from({ length: STREAMS + ALONE }, () => post('/chats', { providerKeyId: key.id, model: 'bench' })),
);

const say = (text: string) => process.stdout.write(`${text}\n`);
say(`bench: ${STREAMS} answers of ${CHUNKS} chunks, one every ${PACE_MS} ms ...`);
const openThroughService = (index: number) =>
  fetch(`${service.url}/chats/${chats[index]?.id}/messages`, {
    method: 'POST',
    headers: { ...JSON_BODY, ...auth },
    body: JSON.stringify({ content: `stream-${index}-`, stream: true }),
  });
const openDirectly = (index: number) =>
  fetch(`http://${host}/v1/chat/completions`, {
    method: 'POST',
    body: `{"stream":true,"content":"stream-${index}-"}`,
  });

// Once before, so that code is compiled and connections are open.
await stream(openThroughService);
const before = await residentBytes(service);
let peak = before;
const watch = setInterval(async () => {
  peak = Math.max(peak, await residentBytes(service));
}, 100);
const cpuBefore = await cpuMicroseconds(service);
const through = await stream(openThroughService);
const cpuAfter = await cpuMicroseconds(service);
clearInterval(watch);
const direct = await stream(openDirectly);
const alone = {
  throughService: await firstAlone(openThroughService),
  direct: await firstAlone(openDirectly),
};

say('bench: GET /chats ...');
const bare = await serve('./bare.ts', { USER_ID: account.user.id, READY: '/chats' });
const [ours, theirs]: [number[], number[]] = [[], []];
for (let round = 0; round < ROUNDS; round++) {
  ours.push(await rate(`${service.url}/chats`, auth));
  theirs.push(await rate(`${bare.url}/chats`, {}));
}

const round = (value: number, digits = 1) => Number(value.toFixed(digits));
const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL ?? process.env.DATABASE_URL);
await owner.connect();
const { rows } = await owner.query('SHOW server_version');
await owner.end();
const results = {
  machine: `${cpus().length} cores (${cpus()[0]?.model.trim()}), Bun ${Bun.version}, PostgreSQL ${rows[0].server_version}`,
  connections: WORKERS,
  clients: 'the process that is the provider as well',
  streams: {
    count: STREAMS,
    chunks: CHUNKS,
    paceMs: PACE_MS,
    throughService: {
      p50: round(through.p50),
      p99: round(through.p99),
      firstP50: round(through.firstP50),
      firstP99: round(through.firstP99),
    },
    direct: {
      p50: round(direct.p50),
      p99: round(direct.p99),
      firstP50: round(direct.firstP50),
      firstP99: round(direct.firstP99),
    },
    alone: {
      throughService: round(median(alone.throughService)),
      direct: round(median(alone.direct)),
    },
    addedP99Ms: round(through.p99 - direct.p99),
    cpuMicrosecondsPerChunk: Math.round((cpuAfter - cpuBefore) / (STREAMS * CHUNKS)),
    mebibytesPerStream: round((peak - before) / STREAMS / 2 ** 20, 3),
  },
  chats: {
    service: Math.round(median(ours)),
    bare: Math.round(median(theirs)),
    ratio: round(median(ours) / median(theirs), 2),
  },
  startMs: Math.round(service.startMs),
};
await Bun.write(
  new URL('../../../bench/results.json', import.meta.url).pathname,
  `${JSON.stringify(results, null, 2)}\n`,
);
await Bun.write(
  new URL('../../../bench/throughput.svg', import.meta.url).pathname,
  plot([
    { name: 'through the service', delays: through.delays, colour: '#2563eb' },
    { name: 'from the provider directly', delays: direct.delays, colour: '#9ca3af' },
  ]),
);
say(JSON.stringify(results, null, 2));

for (const { child } of [service, bare]) {
  child.kill('SIGTERM');
  await child.exited;
}
await upstream.stop(true);
process.exit(0);
