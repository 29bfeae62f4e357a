import { and, asc, eq, getTableColumns, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Database } from '../../shared/db/client.js';
import {
  apiKeys,
  chats,
  messages,
  providerKeys,
  sessions,
  users,
  verifications,
} from '../../shared/db/schema/index.js';
import type { ExportedList, UserRow } from './types.js';

interface ExportedTable {
  readonly table: PgTable;
  readonly owner: PgColumn;
  /** Members that order the rows of a user, as the primary key does. */
  readonly order: readonly [string, ...string[]];
}

/** Where the lists of an export come from. */
const EXPORTED: Readonly<Record<ExportedList, ExportedTable>> = {
  sessions: { table: sessions, owner: sessions.userId, order: ['id'] },
  apiKeys: { table: apiKeys, owner: apiKeys.referenceId, order: ['id'] },
  providerKeys: { table: providerKeys, owner: providerKeys.userId, order: ['id'] },
  chats: { table: chats, owner: chats.userId, order: ['id'] },
  messages: { table: messages, owner: messages.userId, order: ['chatId', 'id'] },
};

/** Rows that are read at once; a message may have several hundred kilobytes. */
const EXPORT_PAGE = 20;

export type UsersRepository = ReturnType<typeof createUsersRepository>;

export function createUsersRepository(db: Database) {
  return {
    async findById(id: string): Promise<UserRow | undefined> {
      const [row] = await db.select().from(users).where(eq(users.id, id));
      return row;
    },

    async update(id: string, changes: Pick<UserRow, 'name'>): Promise<UserRow | undefined> {
      const [row] = await db.update(users).set(changes).where(eq(users.id, id)).returning();
      return row;
    },

    /** All rows of a user in a list. */
    async *rowsOf(userId: string, list: ExportedList): AsyncGenerator<Record<string, unknown>> {
      const { table, owner, order } = EXPORTED[list];
      const columns = getTableColumns(table);
      const key = order.map((name) => columns[name] as PgColumn);
      let rows: Record<string, unknown>[] = [];
      do {
        const last = rows.at(-1);
        const after =
          last &&
          sql`(${sql.join(key, sql`, `)}) > (${sql.join(
            order.map((name) => sql`${last[name]}`),
            sql`, `,
          )})`;
        rows = await db
          .select()
          .from(table)
          .where(and(eq(owner, userId), after))
          .orderBy(...key.map((column) => asc(column)))
          .limit(EXPORT_PAGE);
        yield* rows;
      } while (rows.length === EXPORT_PAGE);
    },

    /**
     * Deletes a user and, since every other table refers to it with ON DELETE CASCADE, all that is the user's.
     *
     * @returns whether there was such a user
     */
    remove(id: string): Promise<boolean> {
      return db.transaction(async (tx) => {
        // Better Auth's links have no user_id: those for a new password hold the user's id.
        await tx.delete(verifications).where(eq(verifications.value, id));
        const removed = await tx.delete(users).where(eq(users.id, id)).returning({ id: users.id });
        return removed.length > 0;
      });
    },
  };
}
