/**
 * What the service can do on this machine, as ratios within one run:
 *
 *     npm run bench [-- --quick]
 *
 * - `GET /api/v1/projects/[id]`, warm from the cache and without a cache, against two handlers of the same app that do
 *   nothing: one with the rate limit and the authentication of every request, and one without
 * - the usage of a user with a million rows, as the statement of the service, in the database
 * - `next build`, and a cold start to the first 200
 *
 * Two processes make the load, on the machine that also runs the service and its servers, so the absolute figures are
 * those of a machine that does all of it. Writes bench/results.json and bench/throughput.svg.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import { bars } from './bars.ts';
import { here, type Load, load, machine, median, rate, readQuick, round, say, serve } from './harness.ts';

const QUICK = readQuick();
const CONNECTIONS = 64;
const SECONDS = QUICK ? 2 : 6;
const ROUNDS = QUICK ? 1 : 5;
const ROWS = QUICK ? 50_000 : 1_000_000;
const READS_OF_USAGE = 200;
const COLD_STARTS = QUICK ? 1 : 3;

const root = here('..');
const INSTRUMENTED = ['--expose-gc', '--import', here('../dist/server/instrumentation.js')];
const SETTINGS = {
  NODE_ENV: 'production', // Next.js and React know no other mode that is fast
  DATABASE_POOL_MAX: '20',
  RATE_LIMIT_ENABLED: 'true',
  RATE_LIMIT_MAX: '1000000',
  RATE_LIMIT_WINDOW_SECONDS: '1',
  ENCRYPTION_KEYS: '1'.repeat(64),
};

say('building ...');
rmSync(`${root}/.next`, { recursive: true, force: true });
const buildBegan = performance.now();
execFileSync(process.execPath, ['node_modules/next/dist/bin/next', 'build'], { cwd: root, stdio: 'ignore' });
const buildSeconds = (performance.now() - buildBegan) / 1_000;

const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL ?? '');
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
execFileSync(process.execPath, ['scripts/database.mjs', 'migrate'], { cwd: root });

const starts: number[] = [];
for (let index = 0; index < COLD_STARTS; index++) {
  const began = performance.now();
  const server = await serve('./service.ts', SETTINGS, INSTRUMENTED);
  starts.push((performance.now() - began) / 1_000);
  await server.stop();
}

const cached = await serve('./service.ts', { ...SETTINGS, CACHE_TTL_SECONDS: '3600' }, INSTRUMENTED);
const uncached = await serve('./service.ts', { ...SETTINGS, CACHE_TTL_SECONDS: '0' }, INSTRUMENTED);

async function post(path: string, body: object, headers = {}) {
  const response = await fetch(cached.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { data: { id: string; accessToken: string; user: { id: string } } })
    .data;
}

const session = await post('/api/v1/auth/sign-up', {
  email: 'ada@bench.example',
  password: 'correct horse battery',
});
const headers = { authorization: `Bearer ${session.accessToken}` };
const project = await post(
  '/api/v1/projects',
  { name: 'Analytical engine', description: 'Cards in, numbers out' },
  headers,
);

const path = `/api/v1/projects/${project.id}`;
const READS = {
  'does nothing': `${cached.url}/health/live`,
  authenticates: `${cached.url}/api/v1/auth/session`,
  'project, cached': cached.url + path,
  'project, uncached': uncached.url + path,
};
type Read = keyof typeof READS;
const names = Object.keys(READS) as Read[];
const measure = (name: Read) =>
  load({ url: READS[name], headers, connections: CONNECTIONS, duration: SECONDS });

say(`warming up for ${SECONDS} s each ...`);
for (const name of names) await measure(name);

const rounds: Record<Read, Load>[] = [];
for (let turn = 1; turn <= ROUNDS; turn++) {
  const results = {} as Record<Read, Load>;
  for (const name of names) results[name] = await measure(name);
  say(
    `round ${turn} of ${ROUNDS}: ${names.map((name) => `${name} ${round(rate(results[name]))}/s`).join(', ')}`,
  );
  rounds.push(results);
}
await Promise.all([cached.stop(), uncached.stop()]);

say(`writing ${ROWS.toLocaleString('en')} rows of usage ...`);
await owner.query(
  `INSERT INTO usage_metrics (user_id, project_id, event_type, created_at)
   SELECT $1, $2, (ARRAY['project.updated', 'ai.completion', 'export', 'member.added'])[1 + n % 4], now() - (n % 730) * interval '1 day'
   FROM generate_series(1, $3::int) AS n`,
  [session.user.id, project.id, ROWS],
);
await owner.query('VACUUM (ANALYZE) usage_metrics, usage_daily');
const usage = await timesOfUsage();

/** Milliseconds of each execution in the database, as the service sends the statement and with its policies. */
async function timesOfUsage(): Promise<number[]> {
  const { USAGE } = await import('../lib/analytics/usage-statement.ts');
  const client = new pg.Client(process.env.DATABASE_URL ?? '');
  await client.connect();
  const claims = pg.escapeLiteral(JSON.stringify({ sub: session.user.id, role: 'authenticated' }));
  const times: number[] = [];
  for (let index = 0; index < READS_OF_USAGE; index++) {
    await client.query(
      `BEGIN; SELECT set_config('request.jwt.claims', ${claims}, true); SET LOCAL ROLE authenticated`,
    );
    const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${USAGE}`, [
      session.user.id,
      new Date(Date.now() - 729 * 86_400_000).toISOString().slice(0, 10),
      new Date().toISOString().slice(0, 10),
      (['day', 'week', 'month'] as const)[index % 3],
      101,
      null,
      null,
    ]);
    const [plan] = rows[0]['QUERY PLAN'];
    times.push(plan['Planning Time'] + plan['Execution Time']);
    await client.query('COMMIT');
  }
  await client.end();
  return times.toSorted((a, b) => a - b);
}
await owner.end();

const per = (name: Read) => round(median(rounds.map((results) => rate(results[name]))));
const ratio = (one: Read, other: Read) =>
  round(median(rounds.map((results) => rate(results[one]) / rate(results[other]))), 2);
const results = {
  machine: machine(versions[0].server_version),
  connections: CONNECTIONS,
  perSecond: Object.fromEntries(names.map((name) => [name, per(name)])),
  p99Milliseconds: Object.fromEntries(
    names.map((name) => [name, median(rounds.map((results) => results[name].p99))]),
  ),
  ratios: {
    'cached / does nothing': ratio('project, cached', 'does nothing'),
    'uncached / does nothing': ratio('project, uncached', 'does nothing'),
    'cached / authenticates': ratio('project, cached', 'authenticates'),
    'uncached / authenticates': ratio('project, uncached', 'authenticates'),
  },
  usage: {
    rows: ROWS,
    p50Milliseconds: round(median(usage), 1),
    p95Milliseconds: round(usage[Math.ceil(usage.length * 0.95) - 1] ?? 0, 1),
  },
  buildSeconds: round(buildSeconds, 1),
  coldStartSeconds: round(median(starts), 2),
};
await writeFile(here('./results.json'), `${JSON.stringify(results, null, 2)}\n`);
await writeFile(
  here('./throughput.svg'),
  bars(
    'Reads per second',
    names.map((label, index) => ({
      label,
      colour: ['#9ca3af', '#6b7280', '#2563eb', '#059669'][index] ?? '',
    })),
    [{ label: `GET, ${CONNECTIONS} connections`, rates: names.map(per) }],
  ),
);
say(JSON.stringify(results, null, 2));
