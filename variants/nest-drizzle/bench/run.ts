/**
 * What the service can do on this machine, as ratios within one run:
 *
 *     npm run bench [-- --quick]
 *
 * - `GET /projects/:id` and `GET /projects`, through log-in, row-level security and Zod, against a bare Fastify server
 *   with the same statements and the same bytes
 * - the same against the service connected by a role for which row-level security is off: what that alone costs
 * - events through the outbox, written with tasks over HTTP, published, and counted by a consumer, once each
 * - the same where the transactions that write tasks and events are made in SQL: what the outbox itself sustains
 *
 * Two processes make the load, on the machine that also runs the service and its servers, so the absolute figures are
 * those of a machine that does all of it. Writes bench/results.json and bench/throughput.svg.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { bars } from './bars.ts';
import { here, load, machine, rate, readQuick, round, say, serve } from './harness.ts';
import { compareReads } from './reads.ts';

const QUICK = readQuick();
const CONNECTIONS = 64;
const POOL = '20';
const PROJECTS = 1_000;
const WRITE_SECONDS = QUICK ? 5 : 30;
const WRITERS = 8;
/** Connections that write in SQL, and how far they may be ahead of the consumer. */
const SQL_WRITERS = 4;
const AHEAD = 2_000;
/** A task with its event, as the service writes them: one transaction. */
const WRITE = `
  WITH task AS (
    INSERT INTO tasks (tenant_id, id, project_id, title, type, status)
    VALUES ($1, gen_random_uuid(), $2, 'A task', 'chore', 'open') RETURNING gen_random_uuid() AS event_id)
  INSERT INTO outbox (tenant_id, id, subject, event)
  SELECT $1, event_id, 'events.task.created.v1.' || $1::text, ($3::jsonb || jsonb_build_object('id', event_id))::json
    FROM task`;
/** Events that have not arrived by then are lost. */
const PATIENCE_SECONDS = 60;

const INSTRUMENTED = ['--expose-gc', '--import', here('../packages/api/dist/instrumentation.js')];
const SETTINGS = { DATABASE_POOL_MAX: POOL, JWT_KEYS: '1'.repeat(64), ACCESS_TOKEN_TTL_SECONDS: '3600' };

interface Session {
  readonly tenantId: string;
  readonly headers: { readonly authorization: string };
}

const ownerUrl = process.env.MIGRATION_DATABASE_URL ?? process.env.DATABASE_URL ?? '';
const owner = new pg.Client(ownerUrl);
await owner.connect();
const { rows: versions } = await owner.query('SHOW server_version');
await promisify(execFile)(process.execPath, [here('../packages/database/dist/cli.js'), 'migrate']);

const service = await serve('./service.ts', SETTINGS, INSTRUMENTED);

async function post(path: string, body: object, headers = {}): Promise<Record<string, string>> {
  const response = await fetch(service.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}

let registered = 0;
async function register(): Promise<Session> {
  registered += 1;
  const account = { email: `${registered}@example.com`, password: 'correct horse battery' };
  const session = await post('/auth/register', {
    ...account,
    name: 'Ada',
    tenantName: `Tenant ${registered}`,
  });
  return {
    tenantId: session.tenantId ?? '',
    headers: { authorization: `Bearer ${session.accessToken}` },
  };
}

const { tenantId, headers } = await register();
await owner.query('BEGIN');
await owner.query(`SELECT set_config('app.tenant_id', $1, true)`, [tenantId]);
const { rows: projects } = await owner.query(
  `INSERT INTO projects (tenant_id, id, name, description)
   SELECT $1, gen_random_uuid(), 'Project ' || n, 'The number ' || n FROM generate_series(1, $2::int) n RETURNING id`,
  [tenantId, PROJECTS],
);
await owner.query('COMMIT; ANALYZE projects');
const reads = { one: `/projects/${projects[0].id}`, list: '/projects' };

// Row-level security is off for whoever owns a table that does not force it. The view says what the policy would: without
// either, the same statements would read all tenants.
await owner.query(`
  ALTER TABLE projects NO FORCE ROW LEVEL SECURITY;
  CREATE SCHEMA bench;
  CREATE VIEW bench.projects AS SELECT * FROM public.projects WHERE tenant_id = '${tenantId}'`);
const unsecuredUrl = new URL(ownerUrl);
unsecuredUrl.searchParams.set('options', '-c search_path=bench,public -c plan_cache_mode=force_generic_plan');
const unsecured = await serve('./service.ts', { ...SETTINGS, DATABASE_URL: unsecuredUrl.href }, INSTRUMENTED);

const sample = await fetch(service.url + reads.one, { headers });
const own = new Set(['date', 'connection', 'keep-alive', 'content-length', 'etag']);
const sent = Object.fromEntries([...sample.headers].filter(([name]) => !own.has(name)));
const bare = await serve('./bare.ts', {
  DATABASE_URL: ownerUrl,
  DATABASE_POOL_MAX: POOL,
  TENANT_ID: tenantId,
  HEADERS: JSON.stringify(sent),
});

const addresses = { service: service.url, unsecured: unsecured.url, bare: bare.url };
const compared = await compareReads({
  servers: addresses,
  reads,
  headers,
  connections: CONNECTIONS,
  quick: QUICK,
});
await Promise.all([unsecured.stop(), bare.stop()]);

say(`creating tasks for ${WRITE_SECONDS} s ...`);
const writers = await Promise.all(
  Array.from({ length: WRITERS }, async () => {
    const session = await register();
    const { id: projectId } = await post('/projects', { name: 'Engine' }, session.headers);
    return { ...session, task: { projectId, title: 'A task', type: 'chore' } };
  }),
);

// The figures are of all tenants, and the owner is held to the policies as well.
await owner.query(
  ['tasks', 'project_stats', 'outbox']
    .map((table) => `ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`)
    .join('; '),
);

/** How many tasks there are, and how many of them the consumer of their events has counted. */
async function counted(): Promise<{ tasks: number; counted: number }> {
  const { rows } = await owner.query(
    `SELECT (SELECT count(*)::int FROM tasks) AS tasks,
            (SELECT coalesce(sum(tasks_created), 0)::int FROM project_stats) AS counted`,
  );
  return rows[0];
}

/** Waits until the event of each task has been counted, once each. */
async function arrival(): Promise<{ tasks: number }> {
  const deadline = performance.now() + PATIENCE_SECONDS * 1_000;
  for (;;) {
    const now = await counted();
    const missing = now.tasks - now.counted;
    if (missing === 0) return now;
    if (missing < 0) throw new Error(`${-missing} events were counted twice`);
    if (performance.now() > deadline) throw new Error(`${missing} events are lost`);
    await sleep(20);
  }
}

const secondsSince = (start: number) => (performance.now() - start) / 1_000;

const began = performance.now();
const written = await load({
  url: service.url,
  connections: CONNECTIONS,
  duration: WRITE_SECONDS,
  requests: writers.map(({ headers, task }) => ({
    method: 'POST',
    path: '/tasks',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(task),
  })),
});
const early = await counted();
const { tasks } = await arrival();
const outboxSeconds = secondsSince(began);
if (tasks < written.answers) throw new Error(`${written.answers} tasks were answered, ${tasks} are stored`);

say(`creating tasks in SQL for ${WRITE_SECONDS} s ...`);
const before = await counted();
let behind = 0;
const writing = Array.from({ length: SQL_WRITERS }, async (_, index) => {
  const { tenantId, headers, task } = writers[index] as (typeof writers)[number];
  const data = await post('/tasks', task, headers);
  const event = {
    ...{ specversion: '1.0', source: '/bench', type: 'task.created.v1', time: data.createdAt },
    ...{ datacontenttype: 'application/json', tenantid: tenantId, data },
  };
  const client = new pg.Client(ownerUrl);
  await client.connect();
  const end = performance.now() + WRITE_SECONDS * 1_000;
  while (performance.now() < end) {
    if (behind > AHEAD) await sleep(5);
    else
      await client.query({
        name: 'write',
        text: WRITE,
        values: [tenantId, task.projectId, JSON.stringify(event)],
      });
  }
  await client.end();
});
const watch = setInterval(async () => {
  const now = await counted();
  behind = now.tasks - now.counted;
  await owner.query('NOTIFY outbox');
}, 100);
const sustained = performance.now();
await Promise.all(writing);
clearInterval(watch);
const after = await arrival();
const sustainedSeconds = secondsSince(sustained);
await service.stop();
await owner.end();

const { perSecond, ratio } = compared;
const results = {
  machine: machine(versions[0].server_version),
  connections: CONNECTIONS,
  perSecond,
  p99Milliseconds: compared.p99Milliseconds('service'),
  ratios: {
    'one: service / bare': ratio('one', 'service', 'bare'),
    'list: service / bare': ratio('list', 'service', 'bare'),
    'one: service / unsecured': ratio('one', 'service', 'unsecured'),
    'list: service / unsecured': ratio('list', 'service', 'unsecured'),
  },
  outbox: {
    events: tasks,
    writesPerSecond: round(rate(written)),
    /** From the first write over HTTP to the last effect. */
    eventsPerSecond: round(tasks / outboxSeconds),
    behindAtTheEnd: early.tasks - early.counted,
    /** Of transactions made in SQL, from the first of them to the last effect. */
    sustainedPerSecond: round((after.tasks - before.tasks) / sustainedSeconds),
  },
};
await writeFile(here('./results.json'), `${JSON.stringify(results, null, 2)}\n`);
const svg = bars(
  'Reads per second, through log-in, row-level security and Zod, against a bare server',
  [
    { label: 'the service', colour: '#2563eb' },
    { label: 'without row-level security', colour: '#93c5fd' },
    { label: 'bare Fastify + pg', colour: '#b45309' },
  ],
  [
    { label: 'GET /projects/:id', rates: Object.values(perSecond.one) },
    { label: 'GET /projects', rates: Object.values(perSecond.list) },
  ],
);
await writeFile(here('./throughput.svg'), svg);
say(JSON.stringify(results, null, 2));
