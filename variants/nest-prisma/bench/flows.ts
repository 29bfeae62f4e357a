/**
 * Set-ups of trackings while Google has a quota and workers die: so many are queued, two workers run them against a Google
 * that takes 100 ms for each answer, and one of the two is killed and replaced, 5 s after the last one was. Prints what came
 * of it as JSON.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { registerHooks } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../scripts/services/processes.mjs';
import { here, round, serve } from './harness.ts';

// The tests' Google imports its parts by the names that they have when compiled.
registerHooks({
  resolve: (specifier, context, next) =>
    next(context.parentURL?.includes('/test/') ? specifier.replace(/\.js$/, '.ts') : specifier, context),
});
const { FakeGoogle } = await import('../test/support/fake-google.ts');

const FLOWS = Number(process.env.FLOWS);
const LATENCY_MS = 100;
const KILL_EVERY_MS = 5_000;
/** Requests to Tag Manager in a second: less than the workers would send. */
const QUOTA = 60;
const MINUTE_MS = 60_000;
const DEADLINE_MS = 8 * MINUTE_MS;
/** How many are asked for at the same time. */
const AT_ONCE = 20;

const google = new FakeGoogle();
google.latencyMs = LATENCY_MS;
google.tagManager.pageSize = 10 * FLOWS;
const account = google.tagManager.add('', 'accounts', { name: 'Acme' }).split('/')[1];
const settings = {
  FIREBASE_PROJECT_ID: 'demo-local',
  ENCRYPTION_KEYS: '1'.repeat(64),
  REDIS_PREFIX: 'bench-flows',
  WORKER_IN_API: 'false',
  GOOGLE_BASE_URL: await google.start(),
  GOOGLE_CLIENT_ID: 'client',
  GOOGLE_CLIENT_SECRET: 'secret', // pragma: allowlist secret
  GOOGLE_REDIRECT_URI: 'https://app.example.com/google/callback',
  // The one that the tests' Google knows.
  GOOGLE_ADS_DEVELOPER_TOKEN: 'canary-developer-token', // pragma: allowlist secret
  GOOGLE_TAG_MANAGER_QUOTA: `${QUOTA}/1`,
  GOOGLE_ADS_QUOTA: '10000/1',
};

const service = await serve('./service.ts', settings, ['--import', here('../dist/instrumentation.js')]);
const owner = new pg.Client(process.env.MIGRATION_DATABASE_URL ?? process.env.DATABASE_URL);
await owner.connect();

async function post(url: string, body: object | undefined, headers = {}): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`POST ${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}

const issuer = `http://${process.env.FIREBASE_AUTH_EMULATOR_HOST}/identitytoolkit.googleapis.com/v1`;
const { idToken } = await post(`${issuer}/accounts:signInWithPassword`, { email: 'grace@example.com' });
const signedIn = { authorization: `Bearer ${idToken}` };
const { id: organizationId = '' } = await post(
  `${service.url}/api/v1/organizations`,
  { name: 'Acme' },
  signedIn,
);
const headers = { ...signedIn, 'x-organization-id': organizationId };
const { authorizationUrl = '' } = await post(
  `${service.url}/api/v1/connections/authorizations`,
  undefined,
  headers,
);
const { id: connectionId } = await post(
  `${service.url}/api/v1/connections`,
  google.agree(authorizationUrl, 'grace@example.com'),
  headers,
);

/** Runs a statement as the owner, who is held to the policies as well. */
async function query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
  await owner.query('BEGIN');
  await owner.query(`SELECT set_config('app.organization_id', $1, true)`, [organizationId]);
  const { rows } = await owner.query<Row>(text, values);
  await owner.query('COMMIT');
  return rows;
}

const trackings = await query<{ id: string }>(
  `WITH shops AS (
     INSERT INTO customers (organization_id, id, name, email, updated_at)
     SELECT $1, gen_random_uuid(), 'Customer ' || n, n || '@example.com', now() FROM generate_series(1, $2::int) n
     RETURNING id)
   INSERT INTO trackings (organization_id, id, customer_id, name, kind, updated_at)
   SELECT $1, gen_random_uuid(), id, 'Call', 'PHONE_CALL', now() FROM shops RETURNING id`,
  [organizationId, FLOWS],
);
while (trackings.length > 0) {
  await Promise.all(
    trackings.splice(0, AT_ONCE).map(({ id }) =>
      post(
        `${service.url}/api/v1/tracking-setups`,
        {
          trackingId: id,
          connectionId,
          tagManagerAccountId: account,
          adsCustomerId: google.ads.customers[0],
        },
        headers,
      ),
    ),
  );
}

/** Resolves once it runs jobs: one that is killed while it starts proves nothing. */
async function startWorker(): Promise<ChildProcess> {
  const port = await freePort();
  const worker = fork(here('../dist/worker.js'), {
    execArgv: ['--import', here('../dist/instrumentation.js')],
    env: {
      ...process.env,
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      SHUTDOWN_DRAIN_MS: '0',
      ...settings,
      HOST: '127.0.0.1',
      WORKER_PORT: `${port}`,
    },
  });
  const isLive = () =>
    fetch(`http://127.0.0.1:${port}/health/live`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isLive())) {
    if (worker.exitCode !== null) throw new Error(`a worker ended with ${worker.exitCode}`);
    await sleep(50);
  }
  return worker;
}

const began = performance.now();
const workers = await Promise.all([startWorker(), startWorker()]);
let killed = 0;
let lastKill = performance.now();
let open = FLOWS;
while (open > 0 && performance.now() - began < DEADLINE_MS) {
  await sleep(250);
  if (performance.now() - lastKill > KILL_EVERY_MS) {
    const victim = killed % workers.length;
    workers[victim]?.kill('SIGKILL');
    killed += 1;
    workers[victim] = await startWorker();
    lastKill = performance.now();
  }
  const [row] = await query<{ open: number }>(
    `SELECT count(*)::int AS open FROM tracking_setups WHERE status IN ('PENDING', 'RUNNING', 'COMPENSATING')`,
  );
  open = row?.open ?? open;
}
const seconds = (performance.now() - began) / 1_000;
for (const worker of workers) worker.kill('SIGKILL');
const [{ succeeded = 0 } = {}] = await query<{ succeeded: number }>(
  `SELECT count(*)::int AS succeeded FROM tracking_setups WHERE status = 'SUCCEEDED'`,
);
await service.stop();
await owner.end();
await google.stop();

/** How many there are more than there are names for them, in one place. */
const surplus = (names: string[]) => names.length - new Set(names).size;
const inPlace = (kind: string) =>
  google.tagManager.all(kind).map(({ path, name }) => `${path.split('/').slice(0, -1).join('/')} ${name}`);
const doubled =
  ['containers', 'tags', 'triggers'].reduce((total, kind) => total + surplus(inPlace(kind)), 0) +
  surplus([...google.ads.conversionActions.values()].map(({ name }) => name));

/** Google counts by the minute: the most that came in any. */
const times = google.requests.filter(({ path }) => path.startsWith('/tagmanager/')).map(({ at }) => at);
let first = 0;
let most = 0;
for (const [index, at] of times.entries()) {
  while (at - (times[first] ?? at) >= MINUTE_MS) first += 1;
  most = Math.max(most, index - first + 1);
}
process.stdout.write(
  JSON.stringify({
    flows: FLOWS,
    succeeded,
    lost: FLOWS - succeeded,
    doubled,
    published: google.tagManager.live.size,
    seconds: round(seconds),
    workersKilled: killed,
    requestsToTagManager: times.length,
    'most in a minute / quota of a minute': round(most / (QUOTA * (MINUTE_MS / 1_000)), 3),
    'all / quota of the time': round(times.length / (QUOTA * seconds), 3),
  }),
);
process.exit(0); // Google's connections are kept alive
