import type { Answer } from '@/lib/api/answer';
import { asUser, type Transaction } from '@/lib/database/transaction';
import { DomainError, type Json } from '@/lib/errors/domain-error';
import { sqlState } from '@/lib/errors/sql-state';
import { fingerprint } from './fingerprint';
import { readIdempotencyKey } from './idempotency-key';

const UNIQUE_VIOLATION = '23505';

interface Stored {
  readonly fingerprint: Buffer;
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Json;
}

/**
 * Runs work as a user, and answers a repetition with the same `Idempotency-Key` like the first
 * (draft-ietf-httpapi-idempotency-key-header). The answer is stored in the transaction of the effect, so that neither
 * exists without the other; a request that fails stores nothing.
 *
 * @throws DomainError IDEMPOTENCY_KEY_REUSED where the key came with another request
 */
export async function once(
  userId: string,
  request: Request,
  body: Json,
  work: (tx: Transaction) => Promise<Answer>,
): Promise<Answer> {
  const key = readIdempotencyKey(request.headers.get('idempotency-key') ?? undefined);
  if (key === undefined) return asUser(userId, work);
  const print = fingerprint({ method: request.method, path: new URL(request.url).pathname, body });
  const run = () => asUser(userId, (tx) => runOrReplay(tx, userId, key, print, work));
  try {
    return await run();
  } catch (error) {
    // The same key at the same moment: one was first, and this one answers like it. What stood in the way was the stored
    // answer, or before it a row of the effect, whose violation may have a name of the domain by now.
    const state = sqlState(error) ?? sqlState((error as Error).cause);
    if (state === UNIQUE_VIOLATION) return run();
    throw error;
  }
}

async function runOrReplay(
  tx: Transaction,
  userId: string,
  key: string,
  print: Buffer,
  work: (tx: Transaction) => Promise<Answer>,
): Promise<Answer> {
  const { rows } = await tx.query<Stored>(
    'SELECT fingerprint, status, headers, body FROM private.idempotency_keys WHERE user_id = $1 AND key = $2',
    [userId, key],
  );
  const [known] = rows;
  if (known !== undefined) {
    if (!known.fingerprint.equals(print)) {
      const words = 'This Idempotency-Key was used for another request. Use a new key.';
      throw new DomainError(words, 'IDEMPOTENCY_KEY_REUSED');
    }
    const { status, headers, body } = known;
    return { status, body: body ?? undefined, headers: { ...headers, 'idempotency-replayed': 'true' } };
  }
  const answer = await work(tx);
  await tx.query(
    'INSERT INTO private.idempotency_keys (key, fingerprint, status, headers, body) VALUES ($1, $2, $3, $4, $5)',
    [key, print, answer.status, answer.headers ?? {}, JSON.stringify(answer.body ?? null)],
  );
  return answer;
}
