import { setTimeout as sleep } from 'node:timers/promises';
import type { RunSql } from './apply-grants.js';
import { MIGRATION_LOCK } from './safeguards.js';

const POLL_INTERVAL_MS = 200;

/**
 * Opens a transaction that holds the migration lock, and waits as long as another process holds it. Roll the transaction back
 * to release the lock.
 *
 * A lock of the session would stay behind in a pooler. The lock is polled for, because a waiting statement has a snapshot, for
 * whose end the other process's CREATE INDEX CONCURRENTLY waits.
 *
 * @param run runs each statement on the same connection
 */
export async function lockMigrations(run: RunSql): Promise<void> {
  for (;;) {
    await run('BEGIN');
    const [lock] = await run('SELECT pg_try_advisory_xact_lock($1) AS locked', [MIGRATION_LOCK]);
    if (lock?.locked === true) break;
    await run('ROLLBACK');
    await sleep(POLL_INTERVAL_MS);
  }
  // The statement before keeps its snapshot until this one.
  await run('SET LOCAL idle_in_transaction_session_timeout = 0');
}
