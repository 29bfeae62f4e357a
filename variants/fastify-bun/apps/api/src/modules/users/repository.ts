import type { UserExport } from '@app/shared';
import { asc, eq } from 'drizzle-orm';
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
import type { UserRow } from './types.js';

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

    /** All rows of a user, as they were at one moment; undefined where there is no such user. */
    collect(id: string): Promise<Omit<UserExport, 'exportedAt'> | undefined> {
      return db.transaction(
        async (tx) => {
          const [user] = await tx.select().from(users).where(eq(users.id, id));
          if (user === undefined) return undefined;
          return {
            user,
            sessions: await tx
              .select()
              .from(sessions)
              .where(eq(sessions.userId, id))
              .orderBy(asc(sessions.id)),
            apiKeys: await tx
              .select()
              .from(apiKeys)
              .where(eq(apiKeys.referenceId, id))
              .orderBy(asc(apiKeys.id)),
            providerKeys: await tx
              .select()
              .from(providerKeys)
              .where(eq(providerKeys.userId, id))
              .orderBy(asc(providerKeys.id)),
            chats: await tx.select().from(chats).where(eq(chats.userId, id)).orderBy(asc(chats.id)),
            messages: await tx
              .select()
              .from(messages)
              .where(eq(messages.userId, id))
              .orderBy(asc(messages.createdAt), asc(messages.id)),
          };
        },
        { isolationLevel: 'repeatable read', accessMode: 'read only' },
      );
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
