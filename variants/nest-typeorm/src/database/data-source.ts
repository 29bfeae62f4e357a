import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { configOrExit, readMigrationConfig } from '../config/config.js';
import { Event } from '../events/event.entity.js';
import { IdempotencyKey } from '../tickets/idempotency-key.entity.js';
import { Purchase } from '../tickets/purchase.entity.js';
import { Ticket } from '../tickets/ticket.entity.js';
import { connectionOptions } from './connection.js';
import { migrations } from './migrations/index.js';

const config = configOrExit(readMigrationConfig);

/** The schema's owner, for TypeORM's command line and `cli.ts`. The running service has a data source of its own. */
const dataSource = new DataSource({
  ...connectionOptions(config, config.MIGRATION_DATABASE_URL),
  entities: [Event, Purchase, Ticket, IdempotencyKey],
  migrations,
  migrationsTransactionMode: 'each',
});

export default dataSource;
