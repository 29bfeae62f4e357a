import { Chat } from '@app/shared';
import { and, count, desc, eq, getTableColumns, gt, inArray, lte, ne, or, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Database, Transaction } from '../../shared/db/client.js';
import { findOutcome, once, releaseKey } from '../../shared/db/idempotency.js';
import { chats, messages, users } from '../../shared/db/schema/index.js';
import { transact } from '../../shared/db/transaction.js';
import type { KeyedRequest, Outcome } from '../../shared/lib/idempotency/types.js';
import type { Cursor } from '../../shared/lib/pagination/cursor.js';
import { TooManyAnswersError } from './errors.js';
import type { AnswerLimit, AnswerResult, ChatRow, MessageRow, NewChatRow, NewMessageRow } from './types.js';

/** What is stored of a message that was sent under an `Idempotency-Key`. */
const SentIds = z.object({ userMessageId: z.uuid(), messageId: z.uuid().nullable() });
export type SentIds = z.output<typeof SentIds>;

/** A page of messages ends behind the one that reaches this many bytes of parts, as JSON. */
const PAGE_BYTES = 4_194_304;

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

    /**
     * Newest first, as chats; fewer than asked for if they reach `PAGE_BYTES`.
     *
     * @returns the rows of a page, and whether there is another one
     */
    async findMessages(
      userId: string,
      chatId: string,
      limit: number,
      after?: Cursor,
    ): Promise<{ rows: MessageRow[]; hasMore: boolean }> {
      const { parts, text, ...small } = getTableColumns(messages);
      const before = sql`coalesce(sum(octet_length(${parts}::text)) OVER (
        ORDER BY ${messages.createdAt} DESC, ${messages.id} DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)`;
      const isInPage = sql`${before} < ${PAGE_BYTES}`;
      const found = await db
        .select({
          ...small,
          // Of rows behind the page nothing large is read.
          parts: sql<MessageRow['parts']>`CASE WHEN ${isInPage} THEN ${parts} END`,
          text: sql<string>`CASE WHEN ${isInPage} THEN ${text} END`,
          isInPage: sql<boolean>`${isInPage}`,
        })
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
      const rows = found.slice(0, limit).filter((row) => row.isInPage);
      return { rows, hasMore: found.length > rows.length };
    },

    /**
     * The newest messages, newest first, up to a size: the last one, and those before it while their parts fit.
     *
     * @param bytes of the parts of all messages but the last, as JSON
     */
    findHistory(userId: string, chatId: string, limit: number, bytes: number): Promise<MessageRow[]> {
      const newest = db
        // As the model gets them: the text has no calls and results of tools.
        .select({
          id: messages.id,
          createdAt: messages.createdAt,
          size: sql`octet_length(${messages.parts}::text)`.as('size'),
        })
        .from(messages)
        .where(and(inChat(userId, chatId), ne(messages.status, 'streaming')))
        .orderBy(desc(messages.createdAt), desc(messages.id))
        .limit(limit)
        .as('newest');
      const inOrder = sql`(ORDER BY ${newest.createdAt} DESC, ${newest.id} DESC)`;
      const sized = db
        .select({
          id: newest.id,
          size: sql`sum(${newest.size}) OVER ${inOrder} - first_value(${newest.size}) OVER ${inOrder}`.as(
            'total',
          ),
        })
        .from(newest)
        .as('sized');
      return db
        .select(getTableColumns(messages))
        .from(messages)
        .innerJoin(sized, eq(sized.id, messages.id))
        .where(and(inChat(userId, chatId), lte(sized.size, bytes)))
        .orderBy(desc(messages.createdAt), desc(messages.id));
    },

    async findMessage(userId: string, chatId: string, id: string): Promise<MessageRow | undefined> {
      const [row] = await db
        .select()
        .from(messages)
        .where(ownMessage(userId, chatId, id));
      return row;
    },

    /**
     * What the user has said and, where one is about to be made, the answer.
     *
     * @throws TooManyAnswersError
     */
    addExchange(
      question: NewMessageRow,
      answer: NewMessageRow | undefined,
      limit: AnswerLimit,
      request?: KeyedRequest,
    ): Promise<Outcome<SentIds>> {
      return once(db, request, SentIds, async (tx) => {
        if (answer !== undefined) await assertCapacity(tx, question.userId, limit);
        await tx.insert(messages).values(answer === undefined ? [question] : [question, answer]);
        return { userMessageId: question.id, messageId: answer?.id ?? null };
      });
    },

    /** Takes back what was added a moment ago, before anything is made of it. */
    removeExchange(
      { userId, chatId }: Pick<MessageRow, 'userId' | 'chatId'>,
      { userMessageId, messageId }: SentIds,
      request?: KeyedRequest,
    ): Promise<void> {
      const ids = messageId === null ? [userMessageId] : [userMessageId, messageId];
      return transact(db, async (tx) => {
        await tx.delete(messages).where(and(inChat(userId, chatId), inArray(messages.id, ids)));
        if (request !== undefined) await releaseKey(tx, request);
      });
    },

    /** What the first request with this key has added. */
    findExchange: (request: KeyedRequest): Promise<SentIds | undefined> => findOutcome(db, request, SentIds),

    releaseKey: (request: KeyedRequest): Promise<void> => releaseKey(db, request),

    /** The answers that are being made for a user, or were when their process died. */
    findUnfinished(userId: string): Promise<MessageRow[]> {
      return db
        .select()
        .from(messages)
        .where(and(eq(messages.userId, userId), eq(messages.status, 'streaming')));
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

  /** Messages of one user are added one after the other, so that two cannot both be the last that is allowed. */
  async function assertCapacity(tx: Transaction, userId: string, { max, since }: AnswerLimit): Promise<void> {
    await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
    const [row] = await tx
      .select({ running: count() })
      .from(messages)
      .where(
        and(eq(messages.userId, userId), eq(messages.status, 'streaming'), gt(messages.createdAt, since)),
      );
    if ((row?.running ?? 0) >= max) throw new TooManyAnswersError();
  }

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
