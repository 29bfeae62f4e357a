import type { Message, MessageStatus } from '@app/shared';
import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { userId } from './auth.js';
import { instant, timestamps } from './columns.js';
import { providerKeys } from './providers.js';

/** A conversation with a model. */
export const chats = pgTable(
  'chats',
  {
    userId: userId(),
    id: uuid('id').notNull(),
    title: text('title').notNull(),
    /** NULL before one is chosen and once it was deleted: then no message is answered. */
    providerKeyId: uuid('provider_key_id'),
    model: text('model').notNull(),
    systemPrompt: text('system_prompt'),
    /** How much of the conversation the model is shown, in tokens. */
    historyTokens: integer('history_tokens').notNull(),
    useTools: boolean('use_tools').notNull(),
    /** Goes up with each change; clients have it as an ETag. */
    version: integer('version').notNull().default(1),
    ...timestamps,
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.id] }),
    // The migration narrows this to ON DELETE SET NULL (provider_key_id), which Drizzle cannot say.
    foreignKey({
      name: 'chats_provider_key_fk',
      columns: [table.userId, table.providerKeyId],
      foreignColumns: [providerKeys.userId, providerKeys.id],
    }).onDelete('set null'),
    index('chats_user_id_created_at_idx').on(table.userId, table.createdAt, table.id),
    index('chats_user_id_provider_key_id_idx').on(table.userId, table.providerKeyId),
  ],
);

/** What was said. */
export const messages = pgTable(
  'messages',
  {
    userId: userId(),
    chatId: uuid('chat_id').notNull(),
    id: uuid('id').notNull(),
    role: text('role').$type<'user' | 'assistant'>().notNull(),
    /** As the AI SDK has them: `UIMessage['parts']`. */
    parts: jsonb('parts').$type<Message['parts']>().notNull(),
    /** The text of the parts, for the search. */
    text: text('text').notNull(),
    status: text('status').$type<MessageStatus>().notNull(),
    /** Why the answer is not complete. */
    errorCode: text('error_code'),
    provider: text('provider'),
    model: text('model'),
    inputTokens: integer('input_tokens'),
    outputTokens: integer('output_tokens'),
    createdAt: instant('created_at').notNull().defaultNow(),
    finishedAt: instant('finished_at'),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.chatId, table.id] }),
    foreignKey({
      name: 'messages_chat_fk',
      columns: [table.userId, table.chatId],
      foreignColumns: [chats.userId, chats.id],
    }).onDelete('cascade'),
    index('messages_user_id_chat_id_created_at_idx').on(
      table.userId,
      table.chatId,
      table.createdAt,
      table.id,
    ),
    // One answer at a time: two would not know of each other.
    uniqueIndex('messages_one_streaming_idx')
      .on(table.userId, table.chatId)
      .where(sql`${table.status} = 'streaming'`),
    index('messages_search_idx').using('gin', sql`to_tsvector('simple', ${table.text})`),
    check('messages_status_check', sql`${table.status} IN ('complete', 'streaming', 'stopped', 'failed')`),
    check('messages_role_check', sql`${table.role} IN ('user', 'assistant')`),
  ],
);
