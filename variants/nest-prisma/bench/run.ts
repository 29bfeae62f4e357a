/**
 * What the service can do on this machine, as ratios within one run:
 *
 *     npm run bench [-- --quick]
 *
 * - `GET /api/v1/customers/:id` and `GET /api/v1/customers`, through the guard, the isolation of organizations and DTOs,
 *   against a bare Express server with the same statements and the same bytes
 * - reads through the isolation extension against the same reads through Prisma's client as it is
 *
 * Two processes make the load, on the machine that also runs the service and its servers, so the absolute figures are
 * those of a machine that does all of it. Writes bench/results.json and bench/throughput.svg.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { bars } from './bars.ts';
import { here, machine, median, readQuick, round, say, serve } from './harness.ts';
import { compareReads } from './reads.ts';

const run = promisify(execFile);

const QUICK = readQuick();
const CONNECTIONS = 64;
const POOL = '20';
const CUSTOMERS = 1_000;
const ROUND_SECONDS = QUICK ? 2 : 6;
const ROUNDS = QUICK ? 1 : 5;

const INSTRUMENTED = ['--expose-gc', '--import', here('../dist/instrumentation.js')];
const SETTINGS = {
  NODE_ENV: 'test',
  DATABASE_POOL_MAX: POOL,
  FIREBASE_PROJECT_ID: 'demo-local',
  ENCRYPTION_KEYS: '1'.repeat(64),
  AUTH_CACHE_SECONDS: '300',
};

const ownerUrl = process.env.MIGRATION_DATABASE_URL ?? process.env.DATABASE_URL ?? '';
const owner = new pg.Client(ownerUrl);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
await run(process.execPath, [here('../dist/database/cli.js'), 'migrate']);

const service = await serve('./service.ts', SETTINGS, INSTRUMENTED);

async function post(url: string, body: object, headers = {}): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}

const issuer = `http://${process.env.FIREBASE_AUTH_EMULATOR_HOST}/identitytoolkit.googleapis.com/v1`;
const { idToken } = await post(`${issuer}/accounts:signInWithPassword`, { email: 'ada@example.com' });
const headers = { authorization: `Bearer ${idToken}` };
const { id: organizationId = '' } = await post(
  `${service.url}/api/v1/organizations`,
  { name: 'Acme' },
  headers,
);
await owner.query('BEGIN');
await owner.query(`SELECT set_config('app.organization_id', $1, true)`, [organizationId]);
const { rows: customers } = await owner.query(
  `INSERT INTO customers (organization_id, id, name, email, created_at, updated_at)
   SELECT $1, gen_random_uuid(), 'Customer ' || n, n || '@example.com', now() - n * interval '1 second', now()
     FROM generate_series(1, $2::int) n RETURNING id`,
  [organizationId, CUSTOMERS],
);
await owner.query('COMMIT; ANALYZE customers');
const customerId: string = customers[0].id;
const reads = { one: `/api/v1/customers/${customerId}`, list: '/api/v1/customers' };

// The bare server connects as the owner, who is held to the policies as well.
await owner.query('ALTER TABLE customers NO FORCE ROW LEVEL SECURITY');
const sample = await fetch(service.url + reads.one, { headers });
const own = new Set(['date', 'connection', 'keep-alive', 'content-length', 'content-type', 'etag']);
const sent = Object.fromEntries([...sample.headers].filter(([name]) => !own.has(name)));
const bare = await serve('./bare.ts', {
  DATABASE_URL: ownerUrl,
  DATABASE_POOL_MAX: POOL,
  ORGANIZATION_ID: organizationId,
  HEADERS: JSON.stringify(sent),
});

const addresses = { service: service.url, bare: bare.url };
const compared = await compareReads({ servers: addresses, reads, headers, connections: CONNECTIONS, quick: QUICK });
await Promise.all([service.stop(), bare.stop()]);

say('reading with and without the isolation extension ...');
type Read = keyof typeof reads;
type Rates = Record<Read, Record<'isolated' | 'plain', number>>;
const { stdout } = await run(process.execPath, [here('./isolation.ts')], {
  env: {
    ...process.env,
    ...SETTINGS,
    ORGANIZATION_ID: organizationId,
    CUSTOMER_ID: customerId,
    ROUNDS: `${ROUNDS}`,
    ROUND_SECONDS: `${ROUND_SECONDS / 2}`,
  },
});
const clients = JSON.parse(stdout) as Rates[];
await owner.end();

const { perSecond, ratio } = compared;
const ofClients = (kind: Read) => ({
  isolated: round(median(clients.map((rates) => rates[kind].isolated))),
  plain: round(median(clients.map((rates) => rates[kind].plain))),
});
const ratioOfClients = (kind: Read) =>
  round(median(clients.map((rates) => rates[kind].isolated / rates[kind].plain)), 2);
const results = {
  machine: machine(versions[0].server_version),
  connections: CONNECTIONS,
  perSecond,
  p99Milliseconds: compared.p99Milliseconds('service'),
  /** Without HTTP: operations of Prisma's client. */
  clientsPerSecond: { one: ofClients('one'), list: ofClients('list') },
  ratios: {
    'one: service / bare': ratio('one', 'service', 'bare'),
    'list: service / bare': ratio('list', 'service', 'bare'),
    'one: isolated / plain': ratioOfClients('one'),
    'list: isolated / plain': ratioOfClients('list'),
  },
};
await writeFile(here('./results.json'), `${JSON.stringify(results, null, 2)}\n`);
const svg = bars(
  'Reads per second, through guard, isolation and DTOs, against a bare server',
  [
    { label: 'the service', colour: '#2563eb' },
    { label: 'bare Express + pg', colour: '#b45309' },
  ],
  [
    { label: 'GET /api/v1/customers/:id', rates: Object.values(perSecond.one) },
    { label: 'GET /api/v1/customers', rates: Object.values(perSecond.list) },
  ],
);
await writeFile(here('./throughput.svg'), svg);
say(JSON.stringify(results, null, 2));
