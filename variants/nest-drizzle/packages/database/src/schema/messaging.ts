import type { Envelope } from '@app/shared';
import { sql } from 'drizzle-orm';
import {
  index,
  integer,
  json,
  jsonb,
  pgPolicy,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytea, tenantColumns, timestamps } from './columns.js';
import { expiryPolicies, tenantPolicies } from './tenancy.js';

/** Set by the relay alone (`RelayDatabase`): it reads and marks what all tenants have written. */
const isRelay = sql`(SELECT current_setting('app.relay', true) = 'on')`;

/**
 * Events that were written in the transaction of what they tell of, and wait to be published. A row is deleted in the
 * transaction that knows that the broker has it, so the table stays as small as what is under way.
 */
export const outbox = pgTable(
  'outbox',
  {
    ...tenantColumns,
    /** Where it is published; see `subjectOf`. */
    subject: text('subject').notNull(),
    event: json('event').$type<Envelope>().notNull(),
    /** How often it was refused, and why the last time. */
    attempts: integer('attempts').notNull().default(0),
    failure: text('failure'),
    /** Not published before; `infinity` is for what is not tried again, and kept for people to look at. */
    retryAt: timestamp('retry_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    createdAt: timestamps.createdAt,
  },
  (table) => [
    primaryKey({ name: 'outbox_pkey', columns: [table.tenantId, table.id] }),
    // UUIDv7: by time.
    index('outbox_id_idx').on(table.id),
    ...tenantPolicies('outbox', table.tenantId, isRelay),
    pgPolicy('outbox_relay_update', { for: 'update', using: isRelay, withCheck: isRelay }),
    pgPolicy('outbox_relay_delete', { for: 'delete', using: isRelay }),
  ],
).enableRLS();

/** Events that a consumer has dealt with: written in the transaction of their effect, so a second delivery has none. */
export const inbox = pgTable(
  'inbox',
  {
    tenantId: tenantColumns.tenantId,
    consumer: text('consumer').notNull(),
    eventId: uuid('event_id').notNull(),
    createdAt: timestamps.createdAt,
  },
  (table) => [
    primaryKey({ name: 'inbox_pkey', columns: [table.tenantId, table.consumer, table.eventId] }),
    ...tenantPolicies('inbox', table.tenantId),
    ...expiryPolicies('inbox', table.createdAt),
  ],
).enableRLS();

/** The answer to a request that named an `Idempotency-Key`, written in the request's own transaction. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    tenantId: tenantColumns.tenantId,
    key: text('key').notNull(),
    /** SHA-256 of what was asked; the same key with another request is refused. */
    fingerprint: bytea('fingerprint').notNull(),
    /** `json` and not `jsonb`: a replay is the first answer to the byte. */
    response: json('response').notNull(),
    /** `etag` and `location` of the response, if it had them. */
    headers: jsonb('headers').$type<Record<string, string>>().notNull().default({}),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'idempotency_keys_pkey', columns: [table.tenantId, table.key] }),
    index('idempotency_keys_created_at_idx').on(table.tenantId, table.createdAt),
    ...tenantPolicies('idempotency_keys', table.tenantId),
    ...expiryPolicies('idempotency_keys', table.createdAt),
  ],
).enableRLS();
