import type { DataSourceOptions } from 'typeorm';
import type { MigrationConfig } from '../config/config.js';

/** How the service and its commands connect. All waiting is bounded: for a connection, a lock, a statement. */
export function connectionOptions(
  config: Omit<MigrationConfig, 'MIGRATION_DATABASE_URL' | 'MIGRATION_STATEMENT_TIMEOUT_MS'>,
  url = config.DATABASE_URL,
) {
  return {
    type: 'postgres',
    url,
    synchronize: false,
    logging: false,
    // The ids are made in the service (UUIDv7); no extension is needed.
    installExtensions: false,
    poolSize: config.DATABASE_POOL_MAX,
    connectTimeoutMS: config.DATABASE_CONNECT_TIMEOUT_MS,
    applicationName: config.OTEL_SERVICE_NAME,
    extra: {
      lock_timeout: config.DATABASE_LOCK_TIMEOUT_MS,
      statement_timeout: config.DATABASE_STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: config.DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS,
      keepAlive: true,
      // Queries that are issued together travel together; see TicketsRepository.
      pipeline: true,
    },
  } satisfies DataSourceOptions;
}
