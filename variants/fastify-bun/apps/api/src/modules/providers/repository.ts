import { ProviderKey } from '@app/shared';
import { and, asc, eq, gt, notLike, sql } from 'drizzle-orm';
import type { Database } from '../../shared/db/client.js';
import { once } from '../../shared/db/idempotency.js';
import { chats, messages, providerKeys, users } from '../../shared/db/schema/index.js';
import { transact } from '../../shared/db/transaction.js';
import type { KeyedRequest, Outcome } from '../../shared/lib/idempotency/types.js';
import { TooManyProviderKeysError } from './errors.js';
import type { NewProviderKeyRow, ProviderKeyRow } from './types.js';

export type ProvidersRepository = ReturnType<typeof createProvidersRepository>;

/** Every statement names the user: nobody's key is read or changed through another's request. */
export function createProvidersRepository(db: Database) {
  const own = (userId: string, id: string) => and(eq(providerKeys.userId, userId), eq(providerKeys.id, id));

  return {
    /**
     * What an `Idempotency-Key` remembers of a row is what a client may see of it: no secret.
     *
     * @param max keys of one user
     * @throws TooManyProviderKeysError
     */
    create(row: NewProviderKeyRow, max: number, request?: KeyedRequest): Promise<Outcome<ProviderKey>> {
      return once(db, request, ProviderKey, async (tx) => {
        // One after the other, so that two cannot both be the last that is allowed.
        await tx.select({ id: users.id }).from(users).where(eq(users.id, row.userId)).for('no key update');
        if ((await tx.$count(providerKeys, eq(providerKeys.userId, row.userId))) >= max)
          throw new TooManyProviderKeysError();
        const [created] = await tx.insert(providerKeys).values(row).returning();
        if (created === undefined) throw new Error('the database returned no row');
        return created;
      });
    },

    /** In the order in which providers step in for each other. */
    findAll(userId: string): Promise<ProviderKeyRow[]> {
      return db
        .select()
        .from(providerKeys)
        .where(eq(providerKeys.userId, userId))
        .orderBy(asc(providerKeys.position), asc(providerKeys.id));
    },

    /** How many answers are being made for a user. Those that began before a moment are not: their processes have died. */
    countAnswers: (userId: string, since: Date): Promise<number> =>
      db.$count(
        messages,
        and(eq(messages.userId, userId), eq(messages.status, 'streaming'), gt(messages.createdAt, since)),
      ),

    async findById(userId: string, id: string): Promise<ProviderKeyRow | undefined> {
      const [row] = await db.select().from(providerKeys).where(own(userId, id));
      return row;
    },

    async update(
      userId: string,
      id: string,
      changes: Partial<Pick<ProviderKeyRow, 'label' | 'defaultModel' | 'position' | 'secret' | 'lastFour'>>,
    ): Promise<ProviderKeyRow | undefined> {
      const [row] = await db.update(providerKeys).set(changes).where(own(userId, id)).returning();
      return row;
    },

    /** The chats that use it are left without one, at a new version of theirs. */
    remove(userId: string, id: string): Promise<boolean> {
      return transact(db, async (tx) => {
        await tx
          .update(chats)
          .set({ providerKeyId: null, version: sql`${chats.version} + 1` })
          .where(and(eq(chats.userId, userId), eq(chats.providerKeyId, id)));
        const removed = await tx
          .delete(providerKeys)
          .where(own(userId, id))
          .returning({ id: providerKeys.id });
        return removed.length > 0;
      });
    },

    /** How many secrets do not start with a prefix. */
    countSecretsWithout: (prefix: string): Promise<number> =>
      db.$count(providerKeys, notLike(providerKeys.secret, `${prefix}%`)),

    /**
     * Rewrites, in one transaction, secrets that do not start with a prefix. Rows that somebody else is changing are left
     * for a later call.
     *
     * @param after the place behind which to begin; rows come in its order
     * @param rewrite the new secret, or undefined to leave the row as it is
     * @returns the rows that were looked at
     */
    rewriteSecrets(
      prefix: string,
      after: Pick<ProviderKeyRow, 'userId' | 'id'>,
      limit: number,
      rewrite: (row: ProviderKeyRow) => string | undefined,
    ): Promise<ProviderKeyRow[]> {
      return db.transaction(async (tx) => {
        const rows = await tx
          .select()
          .from(providerKeys)
          .where(
            and(
              notLike(providerKeys.secret, `${prefix}%`),
              sql`(${providerKeys.userId}, ${providerKeys.id}) > (${after.userId}, ${after.id})`,
            ),
          )
          .orderBy(asc(providerKeys.userId), asc(providerKeys.id))
          .limit(limit)
          .for('update', { skipLocked: true });
        for (const row of rows) {
          const secret = rewrite(row);
          if (secret === undefined) continue;
          await tx
            .update(providerKeys)
            // The user has changed nothing.
            .set({ secret, updatedAt: row.updatedAt })
            .where(own(row.userId, row.id));
        }
        return rows;
      });
    },
  };
}
