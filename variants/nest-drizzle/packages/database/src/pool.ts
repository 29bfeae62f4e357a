import pg from 'pg';
import { prepareForTenants } from './tenant-query.js';

export interface PoolSettings {
  readonly DATABASE_URL: string;
  readonly DATABASE_POOL_MAX: number;
  readonly DATABASE_CONNECT_TIMEOUT_MS: number;
  readonly DATABASE_LOCK_TIMEOUT_MS: number;
  readonly DATABASE_STATEMENT_TIMEOUT_MS: number;
  readonly DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: number;
}

/** The service's connections. All waiting is bounded: for a connection, a lock, a statement. */
export function createPool(settings: PoolSettings, applicationName: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: settings.DATABASE_URL,
    max: settings.DATABASE_POOL_MAX,
    connectionTimeoutMillis: settings.DATABASE_CONNECT_TIMEOUT_MS,
    lock_timeout: settings.DATABASE_LOCK_TIMEOUT_MS,
    statement_timeout: settings.DATABASE_STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: settings.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS,
    application_name: applicationName,
    keepAlive: true,
    // Statements that are issued together travel together; see TenantDatabase.
    pipeline: true,
    onConnect: prepareForTenants,
    // What decides most about a plan is the tenant, which planning never knows: so statements are planned once.
    options: '-c plan_cache_mode=force_generic_plan',
  });
  // A connection that is lost while somebody uses it fails their statement, which is all that needs to happen: without a
  // listener, the event would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
