/**
 * What the service can do on this machine, as ratios within one run:
 *
 *     npm run bench [-- --quick]
 *
 * - purchases of one hot event, in groups, against one transaction each, and against a POST that does nothing
 * - the same held for a minute, while dead versions of the hot row pile up
 * - `GET /events/:id` against a bare Node server with the same query and the same bytes
 * - purchases over the number of connections, as a plot
 *
 * Two processes make the load, on the machine that also runs the service and PostgreSQL, so the absolute figures are
 * those of a machine that does all three. Writes bench/results.json and bench/throughput.svg.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { plot } from './plot.ts';

const [option, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (option !== undefined && option !== '--quick')) {
  process.stderr.write('usage: npm run bench [-- --quick]\n');
  process.exit(2);
}
const QUICK = option === '--quick';
const CONNECTIONS = 64;
const POOL = '20';
const WARM_UP_SECONDS = QUICK ? 2 : 8;
const ROUND_SECONDS = QUICK ? 2 : 8;
const ROUNDS = QUICK ? 1 : 3;
const HOLD_SECONDS = QUICK ? 5 : 60;
const CURVE_SECONDS = QUICK ? 1 : 4;
const CURVE = QUICK ? [1, 8, 64] : [1, 2, 4, 8, 16, 32, 64, 128, 256];

interface Load {
  readonly answers: number;
  readonly failures: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const say = (text: string) => process.stdout.write(`${text}\n`);
const round = (value: number, digits = 0) => Number(value.toFixed(digits));

/** Starts a server of this folder, and resolves when it listens. */
async function serve(file: string, env: Record<string, string>) {
  const child: ChildProcess = fork(here(file), {
    execArgv: file === './bare.ts' ? [] : ['--expose-gc', '--import', here('../dist/instrumentation.js')],
    env: {
      ...process.env,
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      RATE_LIMIT_ENABLED: 'false',
      DATABASE_POOL_MAX: POOL,
      SHUTDOWN_DRAIN_MS: '0',
      ...env,
    },
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { url: string }).url));
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
  child.removeAllListeners('exit');
  return {
    url,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Loads a URL from two processes. A failed request makes the figures worthless, so it ends the run. */
async function load(url: string, method: string, connections: number, seconds: number): Promise<Load> {
  const shares = connections === 1 ? [1] : [Math.ceil(connections / 2), Math.floor(connections / 2)];
  const parts = await Promise.all(
    shares.map(async (share) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        here('./load.ts'),
        url,
        method,
        String(share),
        String(seconds),
      ]);
      return JSON.parse(stdout) as Load;
    }),
  );
  const sum = (pick: (part: Load) => number) => parts.reduce((total, part) => total + pick(part), 0);
  const total: Load = {
    answers: sum(({ answers }) => answers),
    failures: sum(({ failures }) => failures),
    seconds: Math.max(...parts.map(({ seconds }) => seconds)),
    p50: Math.max(...parts.map(({ p50 }) => p50)),
    p99: Math.max(...parts.map(({ p99 }) => p99)),
  };
  if (total.failures > 0)
    throw new Error(`${total.failures} of ${total.answers + total.failures} requests to ${url} failed`);
  return total;
}

const rate = ({ answers, seconds }: Load) => answers / seconds;
const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL ?? process.env.DATABASE_URL);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
await promisify(execFile)(process.execPath, [here('../dist/database/cli.js'), 'migrate']);

const grouped = await serve('./service.ts', {});
const plain = await serve('./service.ts', { PURCHASE_GROUP_MAX: '1' });

/** An event of a million seats, so that none of the loads below sells it out. */
async function createEvent(): Promise<string> {
  const body = {
    name: 'Stadium night',
    venue: 'East stadium',
    startsAt: '2950-01-01T00:00:00Z',
    capacity: 1_000_000,
  };
  const response = await fetch(`${grouped.url}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, price: 4_500, currency: 'EUR' }),
  });
  return ((await response.json()) as { id: string }).id;
}

/** Sells one event, and checks in the database that it sold what it answered. */
async function sell(
  service: { url: string },
  connections: number,
  seconds: number,
  id?: string,
): Promise<Load> {
  id ??= await createEvent();
  const result = await load(`${service.url}/events/${id}/tickets/purchase`, 'POST', connections, seconds);
  const { rows } = await owner.query(
    'SELECT sold, (SELECT count(*)::int FROM tickets WHERE event_id = $1) AS tickets FROM events WHERE id = $1',
    [id],
  );
  // Requests that were under way when the load ended were served, and are not among the answers.
  const { sold, tickets } = rows[0];
  if (sold !== tickets || sold < result.answers || sold > result.answers + connections) {
    throw new Error(
      `${result.answers} purchases were answered, ${sold} are counted and ${tickets} tickets are stored`,
    );
  }
  return result;
}

const noop = (seconds: number) => load(`${grouped.url}/noop`, 'POST', CONNECTIONS, seconds);

say(`warming up for ${WARM_UP_SECONDS} s each ...`);
const readId = await createEvent();
const sample = await fetch(`${grouped.url}/events/${readId}`);
const sampleBody = await sample.text();
const own = new Set(['date', 'connection', 'keep-alive', 'content-length']);
const headers = Object.fromEntries([...sample.headers].filter(([name]) => !own.has(name)));
const bare = await serve('./bare.ts', { HEADERS: JSON.stringify(headers) });
if ((await (await fetch(`${bare.url}/events/${readId}`)).text()) !== sampleBody) {
  throw new Error('the bare server does not send the same bytes');
}
const read = (server: { url: string }, seconds: number) =>
  load(`${server.url}/events/${readId}`, 'GET', CONNECTIONS, seconds);
await noop(WARM_UP_SECONDS);
await sell(grouped, CONNECTIONS, WARM_UP_SECONDS);
await sell(plain, CONNECTIONS, WARM_UP_SECONDS);
await read(grouped, WARM_UP_SECONDS);
await read(bare, WARM_UP_SECONDS);

const rounds: Record<'noop' | 'grouped' | 'plain' | 'read' | 'bare', Load[]> = {
  noop: [],
  grouped: [],
  plain: [],
  read: [],
  bare: [],
};
for (let index = 1; index <= ROUNDS; index += 1) {
  rounds.noop.push(await noop(ROUND_SECONDS));
  rounds.grouped.push(await sell(grouped, CONNECTIONS, ROUND_SECONDS));
  rounds.plain.push(await sell(plain, CONNECTIONS, ROUND_SECONDS));
  rounds.read.push(await read(grouped, ROUND_SECONDS));
  rounds.bare.push(await read(bare, ROUND_SECONDS));
  const line = Object.entries(rounds).map(
    ([name, loads]) => `${name} ${round(rate(loads.at(-1) as Load))}/s`,
  );
  say(`round ${index} of ${ROUNDS}: ${line.join(', ')}`);
}

say(`holding the hot event for ${HOLD_SECONDS} s ...`);
const before = await updates();
const heldId = await createEvent();
const samples = soldPerSecond(heldId, HOLD_SECONDS);
const held = await sell(grouped, CONNECTIONS, HOLD_SECONDS, heldId);
const after = await updates();
const noopAfter = await noop(ROUND_SECONDS);

/** What is committed in each second, as the database has it. */
async function soldPerSecond(id: string, seconds: number): Promise<number[]> {
  const counts: number[] = [];
  for (let second = 0; second < seconds; second += 1) {
    const { rows } = await owner.query('SELECT sold FROM events WHERE id = $1', [id]);
    counts.push(rows[0].sold);
    await sleep(1_000);
  }
  return counts.slice(1).map((count, second) => count - (counts[second] ?? 0));
}

/** Updates of the hot row so far, and how many of them touched no index. */
async function updates(): Promise<{ all: number; hot: number }> {
  const { rows } = await owner.query(
    `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = 'events'`,
  );
  return rows[0];
}

const curve: { connections: number; grouped: number; plain: number }[] = [];
for (const connections of CURVE) {
  const point = {
    connections,
    grouped: round(rate(await sell(grouped, connections, CURVE_SECONDS))),
    plain: round(rate(await sell(plain, connections, CURVE_SECONDS))),
  };
  say(`${connections} connections: grouped ${point.grouped}/s, plain ${point.plain}/s`);
  curve.push(point);
}

await Promise.all([grouped.stop(), plain.stop(), bare.stop()]);
await owner.end();

const per = (name: keyof typeof rounds) => round(median(rounds[name].map(rate)));
const ratio = (one: keyof typeof rounds, other: keyof typeof rounds) =>
  round(median(rounds[one].map((load, index) => rate(load) / rate(rounds[other][index] as Load))), 2);
const heldPerSecond = await samples;
const sixth = Math.ceil(heldPerSecond.length / 6);
const mean = (values: number[]) => values.reduce((total, value) => total + value, 0) / values.length;
const results = {
  machine: `${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.versions.node}, PostgreSQL ${versions[0].server_version}`,
  connections: CONNECTIONS,
  perSecond: {
    noop: per('noop'),
    grouped: per('grouped'),
    plain: per('plain'),
    read: per('read'),
    bare: per('bare'),
  },
  p99Milliseconds: {
    grouped: median(rounds.grouped.map(({ p99 }) => p99)),
    plain: median(rounds.plain.map(({ p99 }) => p99)),
  },
  ratios: {
    'grouped / plain': ratio('grouped', 'plain'),
    'grouped / noop': ratio('grouped', 'noop'),
    'read / bare': ratio('read', 'bare'),
  },
  held: {
    seconds: HOLD_SECONDS,
    perSecond: round(rate(held)),
    'held / noop': round(rate(held) / mean([...rounds.noop.map(rate), rate(noopAfter)]), 2),
    'last sixth / first sixth': round(
      mean(heldPerSecond.slice(-sixth)) / mean(heldPerSecond.slice(0, sixth)),
      2,
    ),
    'HOT updates': round((after.hot - before.hot) / Math.max(1, after.all - before.all), 3),
  },
  curve,
};
await writeFile(here('./results.json'), `${JSON.stringify(results, null, 2)}\n`);
await writeFile(here('./throughput.svg'), plot(curve));
say(JSON.stringify(results, null, 2));
