import pRetry from 'p-retry';
import { isRetryable, violatedConstraint } from '../lib/errors/sql-state.js';
import type { Database, Transaction } from './client.js';

const ATTEMPTS = 5;

/**
 * Runs a transaction, again where PostgreSQL has rolled it back for the sake of another one (a deadlock), or where another
 * request with the same `Idempotency-Key` was faster.
 */
export function transact<Result>(db: Database, run: (tx: Transaction) => Promise<Result>): Promise<Result> {
  return pRetry(() => db.transaction(run), {
    retries: ATTEMPTS - 1,
    minTimeout: 5,
    randomize: true,
    shouldRetry: ({ error }) => isRetryable(error) || violatedConstraint(error) === 'idempotency_keys_pkey',
  });
}
