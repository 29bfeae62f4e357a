import { customType, index, json, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { userId } from './auth.js';
import { instant } from './columns.js';

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** The answer to a request that named an `Idempotency-Key`, written in the transaction of the request's effect. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    userId: userId(),
    key: text('key').notNull(),
    /** SHA-256 of what was asked; the same key with another request is refused. */
    fingerprint: bytea('fingerprint').notNull(),
    /** `json` and not `jsonb`: a replay is the first answer to the byte. */
    response: json('response').$type<object>().notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'idempotency_keys_pkey', columns: [table.userId, table.key] }),
    index('idempotency_keys_created_at_idx').on(table.createdAt),
  ],
);
