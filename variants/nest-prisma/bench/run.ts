/**
 * Measures the service on this machine:
 *
 *     npm run bench [-- --quick]
 *
 * - start and memory, before any load
 * - `GET /api/v1/customers/:id` and `GET /api/v1/customers` against a bare Express server with the same statements and the same
 *   bytes
 * - the same reads by Prisma's client without HTTP: alone, with row-level security, with the isolation extension as well
 *
 * Load, service and servers share the machine. Writes bench/results.json.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import pg from 'pg';
import { fieldsOf, requireSameResponses, Service, startServer, writeResults } from './harness.ts';
import { clientFigures } from './isolation.ts';
import { compare, load } from './load.ts';

const { readConfig } = (await import(
  new URL('../dist/config/config.js', import.meta.url).href
)) as typeof import('../src/config/config.js');

const CUSTOMERS = 1_000;
const SECRETS = { ENCRYPTION_KEYS: '1'.repeat(64), FIREBASE_PROJECT_ID: 'demo-local' };

const ownerUrl = process.env.MIGRATION_DATABASE_URL ?? '';
const owner = new pg.Client(ownerUrl);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
await promisify(execFile)(process.execPath, ['dist/database/cli.js', 'migrate']);

const service = new Service(['DATABASE_URL', 'REDIS_URL'], SECRETS, {
  NODE_ENV: 'test', // production refuses the emulator, whose tokens are not signed
  FIREBASE_AUTH_EMULATOR_HOST: process.env.FIREBASE_AUTH_EMULATOR_HOST ?? '',
  // One user sends all requests.
  RATE_LIMIT_MAX: '1000000',
  RATE_LIMIT_USER_MAX: '1000000',
  RATE_LIMIT_ORGANIZATION_MAX: '1000000',
});
const figures = await service.idleFigures();
const server = await service.start();

async function post(url: string, body: object, headers = {}): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}

const issuer = `http://${process.env.FIREBASE_AUTH_EMULATOR_HOST}/identitytoolkit.googleapis.com/v1`;
const { idToken } = await post(`${issuer}/accounts:signInWithPassword`, { email: 'ada@example.com' });
const headers = { authorization: `Bearer ${idToken}` };
const { id: organizationId = '' } = await post(
  `${server.url}/api/v1/organizations`,
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

// The bare server and Prisma's client alone connect as the owner, who is held to the policies as well.
await owner.query('ALTER TABLE customers NO FORCE ROW LEVEL SECURITY');
const paths = [`/api/v1/customers/${customerId}`, '/api/v1/customers'] as const;
const fields = await Promise.all(
  paths.map(async (path) => [path, await fieldsOf(server.url + path, headers)]),
);
const bare = await startServer([process.execPath, 'bench/bare.ts'], {
  DATABASE_URL: ownerUrl,
  ORGANIZATION_ID: organizationId,
  HEADERS: JSON.stringify(Object.fromEntries(fields)),
});

for (const [index, name] of ['`GET /api/v1/customers/:id`', '`GET /api/v1/customers`'].entries()) {
  const path = paths[index] ?? '';
  const BARE = `${name} of bare Express and pg: same statement, same bytes`;
  await requireSameResponses([server.url + path, bare.url + path], headers);
  figures.push(
    ...(await compare(
      {
        [name]: (connections, seconds) => load({ url: server.url + path, headers, connections }, seconds),
        [BARE]: (connections, seconds) => load({ url: bare.url + path, headers, connections }, seconds),
      },
      { [name]: { versus: [BARE] }, [BARE]: { note: 'no login, no organizations' } },
    )),
  );
}
await Promise.all([server.stop(), bare.stop()]);

const config = readConfig({ ...process.env, ...SECRETS, ...service.settings });
figures.push(...(await clientFigures(config, ownerUrl, organizationId, customerId)));
await owner.end();
await writeResults(service, versions[0].server_version, figures);
