import { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startService, type TestService } from '../support/service.js';

const ROWS = 100_000;

let database: TestDatabase;
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  await database.owner.query(`
    INSERT INTO events (id, name, venue, starts_at, capacity, sold, sold_out, price, currency)
    SELECT gen_random_uuid(), 'Concert ' || md5(n::text), 'Hall ' || n % 500, '2951-01-01'::timestamptz + n * interval '1 minute',
           100, CASE WHEN n % 50 = 0 THEN 0 ELSE 100 END, n % 50 <> 0, 1000, 'EUR'
      FROM generate_series(1, ${ROWS}) AS n`);
  await database.owner.query('VACUUM ANALYZE events');
  service = await startService(database);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

/** Makes the request, and shows the plan of the very query that it made. */
async function plan(path: string): Promise<string> {
  const dataSource = service.app.get(DataSource);
  const queries: { query: string; parameters: unknown[] }[] = [];
  dataSource.setOptions({ logging: ['query'] });
  dataSource.logger = {
    logQuery: (query: string, parameters?: unknown[]) =>
      queries.push({ query, parameters: parameters ?? [] }),
    logQueryError: () => undefined,
    logQuerySlow: () => undefined,
    logSchemaBuild: () => undefined,
    logMigration: () => undefined,
    log: () => undefined,
  };
  const { status } = await service.get(path);
  dataSource.setOptions({ logging: false });
  expect([status, queries.length]).toEqual([200, 1]);
  const [{ query, parameters }] = queries as [{ query: string; parameters: unknown[] }];
  const { rows } = await database.owner.query(
    `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ${query}`,
    parameters,
  );
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

it.each([
  ['the first page', '/events', 'IDX_events_starts_at'],
  ['a span of time', '/events?from=2951-02-01T00:00:00Z&to=2951-02-02T00:00:00Z', 'IDX_events_starts_at'],
  ['events with tickets left', '/events?available=true', 'IDX_events_available'],
  [
    'events with tickets left in a span of time',
    '/events?available=true&from=2951-02-01T00:00:00Z',
    'IDX_events_available',
  ],
  ['words', '/events?q=concert%20c4ca4238a0b923820dcc509a6f75849b', 'IDX_events_search'],
])('reads %s through an index', async (_what, path, index) => {
  const text = await plan(path);
  expect(text).toContain(index);
  expect(text).not.toContain('Seq Scan');
});

it('enters the index right after the last page, however far that is', async () => {
  const far = await service.get('/events?limit=1&from=2951-03-01T00:00:00Z');
  const text = await plan(`/events?limit=20&cursor=${far.body.page.nextCursor}`);
  expect(text).toContain('Index Cond: (ROW(starts_at, id) >');
  // Rows that were read and thrown away would show here.
  expect(text).not.toContain('Rows Removed by Filter');
});
