import { ScopedPool } from './scoped-pool.js';

export interface PoolSettings {
  readonly DATABASE_URL: string;
  readonly DATABASE_POOL_MAX: number;
  readonly DATABASE_CONNECT_TIMEOUT_MS: number;
  readonly DATABASE_LOCK_TIMEOUT_MS: number;
  readonly DATABASE_STATEMENT_TIMEOUT_MS: number;
  readonly DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: number;
  readonly OTEL_SERVICE_NAME: string;
}

/** The service's connections. All waiting is bounded: for a connection, a lock, a statement, an idle transaction. */
export function createPool(settings: PoolSettings): ScopedPool {
  return new ScopedPool({
    connectionString: settings.DATABASE_URL,
    max: settings.DATABASE_POOL_MAX,
    connectionTimeoutMillis: settings.DATABASE_CONNECT_TIMEOUT_MS,
    application_name: settings.OTEL_SERVICE_NAME,
    lock_timeout: settings.DATABASE_LOCK_TIMEOUT_MS,
    statement_timeout: settings.DATABASE_STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: settings.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
  });
}
