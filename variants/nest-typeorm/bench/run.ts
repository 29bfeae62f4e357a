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
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { here, type Load, load, machine, median, rate, readQuick, round, say, serve } from './harness.ts';
import { plot } from './plot.ts';

const QUICK = readQuick();
const CONNECTIONS = 64;
const POOL = '20';
const WARM_UP_SECONDS = QUICK ? 2 : 8;
const ROUND_SECONDS = QUICK ? 2 : 8;
const ROUNDS = QUICK ? 1 : 3;
const HOLD_SECONDS = QUICK ? 5 : 60;
const CURVE_SECONDS = QUICK ? 1 : 4;
const CURVE = QUICK ? [1, 8, 64] : [1, 2, 4, 8, 16, 32, 64, 128, 256];

const INSTRUMENTED = ['--expose-gc', '--import', here('../dist/instrumentation.js')];

const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL ?? process.env.DATABASE_URL);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
await promisify(execFile)(process.execPath, [here('../dist/database/cli.js'), 'migrate']);

const grouped = await serve('./service.ts', { DATABASE_POOL_MAX: POOL }, INSTRUMENTED);
const plain = await serve('./service.ts', { DATABASE_POOL_MAX: POOL, PURCHASE_GROUP_MAX: '1' }, INSTRUMENTED);

/** What a purchase asks for. */
const purchase = {
  method: 'POST' as const,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ quantity: 1, buyer: { name: 'Ada Lovelace', email: 'ada@example.com' } }),
};

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
  const result = await load({
    ...purchase,
    url: `${service.url}/events/${id}/tickets/purchase`,
    connections,
    duration: seconds,
  });
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

const noop = (seconds: number) =>
  load({ ...purchase, url: `${grouped.url}/noop`, connections: CONNECTIONS, duration: seconds });

say(`warming up for ${WARM_UP_SECONDS} s each ...`);
const readId = await createEvent();
const sample = await fetch(`${grouped.url}/events/${readId}`);
const sampleBody = await sample.text();
const own = new Set(['date', 'connection', 'keep-alive', 'content-length']);
const headers = Object.fromEntries([...sample.headers].filter(([name]) => !own.has(name)));
const bare = await serve('./bare.ts', { DATABASE_POOL_MAX: POOL, HEADERS: JSON.stringify(headers) });
if ((await (await fetch(`${bare.url}/events/${readId}`)).text()) !== sampleBody) {
  throw new Error('the bare server does not send the same bytes');
}
const read = (server: { url: string }, seconds: number) =>
  load({ url: `${server.url}/events/${readId}`, connections: CONNECTIONS, duration: seconds });
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
  machine: machine(versions[0].server_version),
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
