import type pg from 'pg';
import { config } from '@/lib/config/config';
import { log } from '@/lib/log';
import { meter } from './metrics';
import { noteQuery, noteSlowQuery } from './recent';

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

/** OpenTelemetry's `db.client.operation.duration`; the exporter does not append the unit. */
const duration = meter.createHistogram('db.client.operation.duration.seconds', {
  unit: 's',
  description: 'Duration of database statements, by their first word',
  advice: { explicitBucketBoundaries: SECONDS },
});

const slowQueries = meter.createCounter('db.client.slow.operations', {
  description: 'Database statements that took longer than DATABASE_SLOW_QUERY_MS',
});
slowQueries.add(0);

/** Measures each statement of a connection, and names those that are slow. */
export function measureQueries(client: pg.ClientBase): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const measured = (...args: unknown[]) => {
    const started = performance.now();
    const done = () => record(textOf(args[0]), performance.now() - started);
    const callback = args.at(-1);
    if (typeof callback === 'function') {
      return query(...args.slice(0, -1), (...results: unknown[]) => {
        done();
        callback(...results);
      });
    }
    const result = query(...args);
    if (result instanceof Promise) void result.then(done, done);
    return result;
  };
  client.query = measured as typeof client.query;
}

const textOf = (query: unknown) =>
  typeof query === 'string' ? query : ((query as { text?: string } | undefined)?.text ?? '');

function record(text: string, ms: number): void {
  const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'OTHER';
  duration.record(ms / 1_000, { 'db.operation.name': operation });
  noteQuery(ms);
  if (ms <= config().DATABASE_SLOW_QUERY_MS) return;
  // What begins a transaction holds the user's claims.
  const query = operation === 'BEGIN' ? 'BEGIN' : text.replaceAll(/\s+/g, ' ').trim();
  slowQueries.add(1);
  noteSlowQuery({ query, duration: ms, at: new Date().toISOString() });
  log().warn({ statement: query, durationMs: Math.round(ms) }, 'a statement was slow');
}
