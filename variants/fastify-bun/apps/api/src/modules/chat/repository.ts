import { and, desc, eq, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Database } from '../../shared/db/client.js';
import { chats, messages } from '../../shared/db/schema/index.js';
import type { Cursor } from '../../shared/lib/pagination/cursor.js';
import type { AnswerResult, ChatRow, MessageRow, NewChatRow, NewMessageRow } from './types.js';

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
    async create(row: NewChatRow): Promise<ChatRow> {
      return only(await db.insert(chats).values(row).returning());
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

    async update(userId: string, id: string, changes: Partial<NewChatRow>): Promise<ChatRow | undefined> {
      const [row] = await db.update(chats).set(changes).where(ownChat(userId, id)).returning();
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

    /** What the user has said and the answer that is about to be made, in one transaction. */
    addExchange(question: NewMessageRow, answer: NewMessageRow): Promise<[MessageRow, MessageRow]> {
      return db.transaction(async (tx) => {
        const rows = await tx.insert(messages).values([question, answer]).returning();
        await tx
          .update(chats)
          .set({ updatedAt: new Date() })
          .where(ownChat(question.userId, question.chatId));
        return [only(rows.slice(0, 1)), only(rows.slice(1))];
      });
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
