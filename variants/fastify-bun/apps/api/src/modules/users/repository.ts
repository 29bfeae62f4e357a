import { eq } from 'drizzle-orm';
import type { Database } from '../../shared/db/client.js';
import { users, verifications } from '../../shared/db/schema/index.js';
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
