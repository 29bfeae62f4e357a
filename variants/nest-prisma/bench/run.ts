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
import { here, type Load, load, machine, median, rate, readQuick, round, say, serve } from './harness.ts';
import { plot } from './plot.ts';

const run = promisify(execFile);

const QUICK = readQuick();
const CONNECTIONS = 64;
const POOL = '20';
const CUSTOMERS = 1_000;
const WARM_UP_SECONDS = QUICK ? 2 : 6;
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

const servers = { service, bare };
type Read = keyof typeof reads;
type Name = keyof typeof servers;
const KINDS = Object.keys(reads) as Read[];
const NAMES = Object.keys(servers) as Name[];
const read = (kind: Read, name: Name, duration: number) =>
  load({ url: servers[name].url + reads[kind], headers, connections: CONNECTIONS, duration });

for (const kind of KINDS) {
  const bodies = await Promise.all(
    NAMES.map(async (name) => (await fetch(servers[name].url + reads[kind], { headers })).text()),
  );
  if (new Set(bodies).size > 1) throw new Error(`the servers do not send the same bytes for ${reads[kind]}`);
}

say(`warming up for ${WARM_UP_SECONDS} s each ...`);
for (const kind of KINDS) for (const name of NAMES) await read(kind, name, WARM_UP_SECONDS);

const rounds: Record<Read, Record<Name, Load[]>> = {
  one: { service: [], bare: [] },
  list: { service: [], bare: [] },
};
for (let index = 1; index <= ROUNDS; index += 1) {
  for (const kind of KINDS) {
    for (const name of NAMES) rounds[kind][name].push(await read(kind, name, ROUND_SECONDS));
    const line = NAMES.map((name) => `${name} ${round(rate(rounds[kind][name].at(-1) as Load))}/s`);
    say(`round ${index} of ${ROUNDS}, ${reads[kind]}: ${line.join(', ')}`);
  }
}
await Promise.all([service.stop(), bare.stop()]);

say('reading with and without the isolation extension ...');
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

const per = (kind: Read, name: Name) => round(median(rounds[kind][name].map(rate)));
const ratio = (kind: Read) =>
  round(
    median(
      rounds[kind].service.map((result, index) => rate(result) / rate(rounds[kind].bare[index] as Load)),
    ),
    2,
  );
const ofClients = (kind: Read) => ({
  isolated: round(median(clients.map((rates) => rates[kind].isolated))),
  plain: round(median(clients.map((rates) => rates[kind].plain))),
});
const ratioOfClients = (kind: Read) =>
  round(median(clients.map((rates) => rates[kind].isolated / rates[kind].plain)), 2);
const results = {
  machine: machine(versions[0].server_version),
  connections: CONNECTIONS,
  perSecond: {
    one: { service: per('one', 'service'), bare: per('one', 'bare') },
    list: { service: per('list', 'service'), bare: per('list', 'bare') },
  },
  p99Milliseconds: {
    one: median(rounds.one.service.map(({ p99 }) => p99)),
    list: median(rounds.list.service.map(({ p99 }) => p99)),
  },
  /** Without HTTP: operations of Prisma's client. */
  clientsPerSecond: { one: ofClients('one'), list: ofClients('list') },
  ratios: {
    'one: service / bare': ratio('one'),
    'list: service / bare': ratio('list'),
    'one: isolated / plain': ratioOfClients('one'),
    'list: isolated / plain': ratioOfClients('list'),
  },
};
await writeFile(here('./results.json'), `${JSON.stringify(results, null, 2)}\n`);
await writeFile(here('./throughput.svg'), plot(results.perSecond));
say(JSON.stringify(results, null, 2));
