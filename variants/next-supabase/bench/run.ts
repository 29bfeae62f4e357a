/**
 * Measures the production process on this machine:
 *
 *     npm run bench [-- --quick]
 *
 * - start and memory, before any load
 * - `GET /api/v1/projects/[id]`, from the cache and without a cache, against two handlers of the same app: one that only
 *   authenticates and limits, and one that does nothing
 * - the statement of the usage of a user, in the database
 *
 * Load, service and servers share the machine. Writes bench/results.json.
 */
import { execFileSync } from 'node:child_process';
import pg from 'pg';
import { USAGE } from '../lib/analytics/usage-statement.ts';
import { type Figure, inTurns, median, QUICK, Service, say, writeResults } from './harness.ts';
import { compare, load, type Measure } from './load.ts';

const ROWS = QUICK ? 50_000 : 1_000_000;
const DAYS = 730;
const READS_OF_USAGE = QUICK ? 20 : 200;

say('building ...');
execFileSync(process.execPath, ['node_modules/next/dist/bin/next', 'build'], { stdio: 'ignore' });

const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
execFileSync(process.execPath, ['scripts/database.mjs', 'migrate']);

const service = new Service(
  ['DATABASE_URL', 'REDIS_URL', 'SUPABASE_URL', 'SUPABASE_PUBLISHABLE_KEY'],
  { ENCRYPTION_KEYS: '1'.repeat(64) },
  { RATE_LIMIT_MAX: '1000000' }, // one user sends all requests
);
const figures = await service.idleFigures();
const cached = await service.start();
const uncached = await service.start({ CACHE_TTL_SECONDS: '0' });

async function post(path: string, body: object, headers = {}) {
  const response = await fetch(cached.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
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

const NOTHING = '`GET /health/live`';
const AUTHENTICATES = '`GET /api/v1/auth/session`';
const path = `/api/v1/projects/${project.id}`;
const get =
  (url: string): Measure =>
  (connections, seconds) =>
    load({ url, headers, connections }, seconds);
figures.push(
  ...(await compare(
    {
      '`GET /api/v1/projects/[id]`, cached': get(cached.url + path),
      '`GET /api/v1/projects/[id]`, uncached': get(uncached.url + path),
      [AUTHENTICATES]: get(`${cached.url}/api/v1/auth/session`),
      [NOTHING]: get(`${cached.url}/health/live`),
    },
    {
      '`GET /api/v1/projects/[id]`, cached': { versus: [AUTHENTICATES, NOTHING] },
      '`GET /api/v1/projects/[id]`, uncached': {
        versus: [AUTHENTICATES, NOTHING],
        note: '`CACHE_TTL_SECONDS=0`',
      },
      [AUTHENTICATES]: { note: 'a handler that only authenticates and limits' },
      [NOTHING]: { note: 'a handler that does nothing' },
    },
  )),
);
await Promise.all([cached.stop(), uncached.stop()]);
figures.push(...(await usageFigures()));
await owner.end();
await writeResults(service, versions[0].server_version, figures);

interface Plan {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Plan[];
}

/** Returns how many rows the scans of a plan have read of tables. */
function rowsRead(plan: Plan): number {
  const own = plan['Relation Name'] === undefined ? 0 : plan['Actual Rows'] * plan['Actual Loops'];
  return own + (plan.Plans ?? []).reduce((sum, part) => sum + rowsRead(part), 0);
}

/** Measures the statement in the database, as the service sends it and with its policies. */
async function usageFigures(): Promise<Figure[]> {
  say(`writing ${ROWS.toLocaleString('en')} rows of usage ...`);
  await owner.query(
    `INSERT INTO usage_metrics (user_id, project_id, event_type, created_at)
     SELECT $1, $2, (ARRAY['project.updated', 'ai.completion', 'export', 'member.added'])[1 + n % 4], now() - (n % $4::int) * interval '1 day'
     FROM generate_series(1, $3::int) AS n`,
    [session.user.id, project.id, ROWS, DAYS],
  );
  await owner.query('VACUUM (ANALYZE) usage_metrics, usage_daily');
  const client = new pg.Client(process.env.DATABASE_URL);
  await client.connect();
  const claims = pg.escapeLiteral(JSON.stringify({ sub: session.user.id, role: 'authenticated' }));
  let read = 0;
  /** Milliseconds. */
  async function times(): Promise<number[]> {
    const taken: number[] = [];
    for (let index = 0; index < READS_OF_USAGE; index++) {
      await client.query(
        `BEGIN; SELECT set_config('request.jwt.claims', ${claims}, true); SET LOCAL ROLE api_user`,
      );
      const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${USAGE}`, [
        session.user.id,
        new Date(Date.now() - (DAYS - 1) * 86_400_000).toISOString().slice(0, 10),
        new Date().toISOString().slice(0, 10),
        (['day', 'week', 'month'] as const)[index % 3],
        101,
        null,
        null,
      ]);
      const [plan] = rows[0]['QUERY PLAN'];
      read = Math.max(read, rowsRead(plan.Plan));
      taken.push(plan['Planning Time'] + plan['Execution Time']);
      await client.query('COMMIT');
    }
    return taken.toSorted((a, b) => a - b);
  }
  let last: number[] = [];
  const rounds = await inTurns({
    median: async () => {
      last = await times();
      return median(last);
    },
    p95: async () => last[Math.ceil(last.length * 0.95) - 1] ?? 0,
  });
  await client.end();
  const how = `planning and execution in the database, ${READS_OF_USAGE} times a round, by day, week and month`;
  const note = `reads ${read.toLocaleString('en')} rows of \`usage_daily\`, the daily sums of ${ROWS.toLocaleString('en')} rows`;
  return [
    { name: 'usage of a user in two years, median', unit: 'ms', rounds: rounds.median, how, note },
    { name: 'usage of a user in two years, 95th percentile', unit: 'ms', rounds: rounds.p95, how, note },
  ];
}
