import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { configOrExit, type MigrationConfig, readMigrationConfig } from '../config/config.js';
import { Event } from '../events/event.entity.js';
import { IdempotencyKey } from '../tickets/idempotency-key.entity.js';
import { Purchase } from '../tickets/purchase.entity.js';
import { Ticket } from '../tickets/ticket.entity.js';
import { connectionOptions } from './connection.js';
import { migrations } from './migrations/index.js';

/** The schema's owner, for migrations. The running service has a data source of its own. */
export function ownerDataSource(config: MigrationConfig): DataSource {
  return new DataSource({
    ...connectionOptions(
      { ...config, DATABASE_STATEMENT_TIMEOUT_MS: config.MIGRATION_STATEMENT_TIMEOUT_MS },
      config.MIGRATION_DATABASE_URL,
    ),
    // One holds the lock of migrations, and another one runs them.
    poolSize: 2,
    entities: [Event, Purchase, Ticket, IdempotencyKey],
    migrations,
    migrationsTransactionMode: 'each',
  });
}

/** What TypeORM's command line looks for. */
export default ownerDataSource(configOrExit(readMigrationConfig));
