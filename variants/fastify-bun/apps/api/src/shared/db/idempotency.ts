import { and, eq, lt } from 'drizzle-orm';
import { z } from 'zod';
import { DomainError } from '../lib/errors/domain-error.js';
import { sqlState } from '../lib/errors/sql-state.js';
import type { KeyedRequest, Outcome } from '../lib/idempotency/types.js';
import type { Database, Transaction } from './client.js';
import { idempotencyKeys } from './schema/index.js';
import { transact } from './transaction.js';

const UNIQUE_VIOLATION = '23505';

/**
 * Runs an effect in a transaction, and no second time for the same key: what it returned is stored in the same transaction,
 * so that neither exists without the other.
 *
 * @param schema what of the result is stored, and read again
 * @throws DomainError IDEMPOTENCY_KEY_REUSED
 */
export async function once<Result>(
  db: Database,
  request: KeyedRequest | undefined,
  schema: z.ZodType<Result>,
  effect: (tx: Transaction) => Promise<Result>,
): Promise<Outcome<Result>> {
  try {
    return await transact(db, async (tx) => {
      const known = request && (await findOutcome(tx, request, schema));
      if (known !== undefined) return { result: known, isRepeated: true };
      const result = await effect(tx);
      if (request !== undefined) {
        await tx.insert(idempotencyKeys).values({ ...request, response: z.encode(schema, result) as object });
      }
      return { result, isRepeated: false };
    });
  } catch (error) {
    if (request === undefined || sqlState(error) !== UNIQUE_VIOLATION) throw error;
    // Perhaps it was the first request with this key that has taken the value, a moment ago.
    const known = await findOutcome(db, request, schema);
    if (known === undefined) throw error;
    return { result: known, isRepeated: true };
  }
}

/**
 * What the first request with this key has led to.
 *
 * @throws DomainError IDEMPOTENCY_KEY_REUSED
 */
export async function findOutcome<Result>(
  db: Database | Transaction,
  request: KeyedRequest,
  schema: z.ZodType<Result>,
): Promise<Result | undefined> {
  const [known] = await db.select().from(idempotencyKeys).where(isFor(request));
  if (known === undefined) return undefined;
  if (!known.fingerprint.equals(request.fingerprint)) {
    const words = 'This Idempotency-Key was used for another request. Use a new key.';
    throw new DomainError(words, 'IDEMPOTENCY_KEY_REUSED', { key: request.key });
  }
  return z.decode(schema, known.response as never);
}

/** Lets a key be used again: what was done under it has failed. */
export async function releaseKey(db: Database | Transaction, request: KeyedRequest): Promise<void> {
  await db.delete(idempotencyKeys).where(isFor(request));
}

/** Forgets the keys of all users that were used before a moment. */
export async function forgetKeys(db: Database, before: Date): Promise<void> {
  await db.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, before));
}

function isFor({ userId, key }: KeyedRequest) {
  return and(eq(idempotencyKeys.userId, userId), eq(idempotencyKeys.key, key));
}
