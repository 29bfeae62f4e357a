import { Chat } from '@app/shared';
import { and, desc, eq, ne, or, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Database } from '../../shared/db/client.js';
import { findOutcome, once, releaseKey } from '../../shared/db/idempotency.js';
import { chats, messages } from '../../shared/db/schema/index.js';
import type { KeyedRequest, Outcome } from '../../shared/lib/idempotency/types.js';
import type { Cursor } from '../../shared/lib/pagination/cursor.js';
import type { AnswerResult, ChatRow, MessageRow, NewChatRow, NewMessageRow } from './types.js';

/** What is stored of a message that was sent under an `Idempotency-Key`. */
const SentIds = z.object({ userMessageId: z.uuid(), messageId: z.uuid().nullable() });
export type SentIds = z.output<typeof SentIds>;

export type ChatRepository = ReturnType<typeof createChatRepository>;

/** Every statement names the user: nobody's chat is read or changed through another's request. */
export function createChatRepository(db: Database) {
  const ownChat = (userId: string, id: string) => and(eq(chats.userId, userId), eq(chats.id, id));
  const inChat = (userId: string, chatId: string) =>
    and(eq(messages.userId, userId), eq(messages.chatId, chatId));
  const ownMessage = (userId: string, chatId: string, id: string) =>
    and(inChat(userId, chatId), eq(messages.id, id));

  // What a list begins with, planned once: most requests ask for nothing else.
  const firstPage = db
    .select()
    .from(chats)
    .where(eq(chats.userId, sql.placeholder('userId')))
    .orderBy(desc(chats.createdAt), desc(chats.id))
    .limit(sql.placeholder('limit'))
    .prepare('chats_first_page');

  return {
    create(row: NewChatRow, request?: KeyedRequest): Promise<Outcome<Chat>> {
      return once(db, request, Chat, async (tx) => only(await tx.insert(chats).values(row).returning()));
    },

    /** Newest first; one row more than asked for tells that there is another page. */
    findAll(userId: string, limit: number, after?: Cursor, words?: string): Promise<ChatRow[]> {
      if (after === undefined && words === undefined) return firstPage.execute({ userId, limit: limit + 1 });
      return db
        .select()
        .from(chats)
        .where(
          and(
            eq(chats.userId, userId),
            after && sql`(${chats.createdAt}, ${chats.id}) < (${after.time.toISOString()}, ${after.id})`,
            words === undefined ? undefined : holds(userId, words),
          ),
        )
        .orderBy(desc(chats.createdAt), desc(chats.id))
        .limit(limit + 1);
    },

    async findById(userId: string, id: string): Promise<ChatRow | undefined> {
      const [row] = await db.select().from(chats).where(ownChat(userId, id));
      return row;
    },

    /** Changes a chat that is still at a version; `undefined` where it is not. */
    async update(
      userId: string,
      id: string,
      version: number,
      changes: Partial<NewChatRow>,
    ): Promise<ChatRow | undefined> {
      const [row] = await db
        .update(chats)
        .set({ ...changes, version: version + 1 })
        .where(and(ownChat(userId, id), eq(chats.version, version)))
        .returning();
      return row;
    },

    async remove(userId: string, id: string): Promise<boolean> {
      return (await db.delete(chats).where(ownChat(userId, id)).returning({ id: chats.id })).length > 0;
    },

    /** Newest first, as chats. */
    findMessages(userId: string, chatId: string, limit: number, after?: Cursor): Promise<MessageRow[]> {
      return db
        .select()
        .from(messages)
        .where(
          and(
            inChat(userId, chatId),
            after &&
              sql`(${messages.createdAt}, ${messages.id}) < (${after.time.toISOString()}, ${after.id})`,
          ),
        )
        .orderBy(desc(messages.createdAt), desc(messages.id))
        .limit(limit + 1);
    },

    async findMessage(userId: string, chatId: string, id: string): Promise<MessageRow | undefined> {
      const [row] = await db
        .select()
        .from(messages)
        .where(ownMessage(userId, chatId, id));
      return row;
    },

    /** What the user has said and, where one is about to be made, the answer. */
    addExchange(
      question: NewMessageRow,
      answer: NewMessageRow | undefined,
      request?: KeyedRequest,
    ): Promise<Outcome<SentIds>> {
      return once(db, request, SentIds, async (tx) => {
        await tx.insert(messages).values(answer === undefined ? [question] : [question, answer]);
        return { userMessageId: question.id, messageId: answer?.id ?? null };
      });
    },

    /** What the first request with this key has added. */
    findExchange: (request: KeyedRequest): Promise<SentIds | undefined> => findOutcome(db, request, SentIds),

    releaseKey: (request: KeyedRequest): Promise<void> => releaseKey(db, request),

    /** The answers that are being made for a user. */
    async findRunning(userId: string): Promise<string[]> {
      const rows = await db
        .select({ id: messages.id })
        .from(messages)
        .where(and(eq(messages.userId, userId), eq(messages.status, 'streaming')));
      return rows.map(({ id }) => id);
    },

    async findStreaming(userId: string, chatId: string): Promise<MessageRow | undefined> {
      const [row] = await db
        .select()
        .from(messages)
        .where(and(inChat(userId, chatId), eq(messages.status, 'streaming')));
      return row;
    },

    /** Keeps an answer that is over; `undefined` where it was deleted, or is over already. */
    async finish(
      { userId, chatId, id }: Pick<MessageRow, 'userId' | 'chatId' | 'id'>,
      result: AnswerResult,
    ): Promise<MessageRow | undefined> {
      const [row] = await db
        .update(messages)
        .set({ ...result, finishedAt: new Date() })
        .where(and(ownMessage(userId, chatId, id), eq(messages.status, 'streaming')))
        .returning();
      return row;
    },

    async updateText(
      userId: string,
      chatId: string,
      id: string,
      text: string,
    ): Promise<MessageRow | undefined> {
      const [row] = await db
        .update(messages)
        .set({ text, parts: [{ type: 'text', text }] })
        .where(and(ownMessage(userId, chatId, id), eq(messages.role, 'user')))
        .returning();
      return row;
    },

    /** An answer that is still being made stays: it has to be stopped first. */
    async removeMessage(userId: string, chatId: string, id: string): Promise<boolean> {
      const removed = await db
        .delete(messages)
        .where(and(ownMessage(userId, chatId, id), ne(messages.status, 'streaming')))
        .returning({ id: messages.id });
      return removed.length > 0;
    },
  };

  /** Chats whose title or messages hold all the words. */
  function holds(userId: string, words: string): SQL | undefined {
    const query = sql`websearch_to_tsquery('simple', ${words})`;
    return or(
      sql`to_tsvector('simple', ${chats.title}) @@ ${query}`,
      sql`EXISTS (SELECT FROM ${messages} WHERE ${messages.userId} = ${userId} AND ${messages.chatId} = ${chats.id}
                     AND to_tsvector('simple', ${messages.text}) @@ ${query})`,
    );
  }
}

function only<Row>([row]: readonly Row[]): Row {
  if (row === undefined) throw new Error('the database returned no row');
  return row;
}
