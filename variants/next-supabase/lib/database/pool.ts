import pg from 'pg';
import { config } from '@/lib/config/config';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { measureQueries } from '@/lib/telemetry/queries';

const { builtins } = pg.types;
// As the generated types (`database.types.ts`) and PostgREST have them: times are text, counts are numbers.
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  [builtins.TIMESTAMPTZ]: time,
  [builtins.DATE]: (text) => text,
  [builtins.INT8]: Number,
};

/**
 * A time as JSON has it. PostgreSQL stores times that a Date cannot hold (infinity, before Christ): they become the first or
 * the last one of years with four digits, so that one row does not fail a whole list.
 */
export function time(text: string): string {
  if (text === '-infinity' || text.endsWith(' BC')) return '0000-01-01T00:00:00.000Z';
  const date = new Date(text);
  return date.getUTCFullYear() <= 9_999 ? date.toISOString() : '9999-12-31T23:59:59.999Z';
}

/** The service's connections. All waiting is bounded: for a connection, a lock, a statement. */
export function pool(): pg.Pool {
  return processWide('pool', () => {
    const settings = config();
    const created = new pg.Pool({
      connectionString: settings.DATABASE_URL,
      max: settings.DATABASE_POOL_MAX,
      connectionTimeoutMillis: settings.DATABASE_CONNECT_TIMEOUT_MS,
      lock_timeout: settings.DATABASE_LOCK_TIMEOUT_MS,
      statement_timeout: settings.DATABASE_STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: settings.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS,
      application_name: settings.OTEL_SERVICE_NAME,
      keepAlive: true,
      types: { getTypeParser: (oid, format) => PARSERS[oid] ?? pg.types.getTypeParser(oid, format) },
    });
    // An idle connection that is lost is replaced by the next query; without a listener it would end the process.
    created.on('error', (error) => log().warn({ err: error }, 'a connection to the database was lost'));
    created.on('connect', (client) => {
      // The same of one that is in use: its query fails.
      client.on('error', (error) => log().warn({ err: error }, 'a connection to the database was lost'));
      measureQueries(client);
    });
    return created;
  });
}
