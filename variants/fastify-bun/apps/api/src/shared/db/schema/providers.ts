import type { ProviderName } from '@app/shared';
import { sql } from 'drizzle-orm';
import { check, index, integer, pgTable, primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core';
import { userId } from './auth.js';
import { timestamps } from './columns.js';

/** A user's key for an AI provider, encrypted; see `shared/lib/encryption.ts`. */
export const providerKeys = pgTable(
  'provider_keys',
  {
    userId: userId(),
    id: uuid('id').notNull(),
    provider: text('provider').$type<ProviderName>().notNull(),
    label: text('label').notNull(),
    /** Only for OpenAI-compatible servers. */
    baseUrl: text('base_url'),
    /** `v1.keyId.nonce.tag.ciphertext` */
    secret: text('secret').notNull(),
    lastFour: text('last_four').notNull(),
    /** The model that steps in where that of a chat fails; NULL: none does. */
    defaultModel: text('default_model'),
    /** Where another provider has to step in, the one with the next higher number does. */
    position: integer('position').notNull().default(0),
    ...timestamps,
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.id] }),
    unique('provider_keys_label_key').on(table.userId, table.label),
    index('provider_keys_user_id_position_idx').on(table.userId, table.position, table.id),
    check('provider_keys_secret_is_encrypted', sql`${table.secret} LIKE 'v1.%.%.%.%'`),
  ],
);
