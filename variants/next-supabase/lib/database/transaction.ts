import pg from 'pg';
import { isRetryable } from '@/lib/errors/sql-state';
import { requestContext } from '@/lib/logging/logger';
import { heldConnection } from './held-connection';
import { pool } from './pool';

/** A transaction in which row-level security knows who is at work. */
export type Transaction = Pick<pg.PoolClient, 'query'>;

const ATTEMPTS = 3;

/**
 * Runs work in one transaction as a user: with the claims that PostgREST would set from the user's access token, and a
 * member of its role `authenticated`, so the policies are the same as for a client that talks to Supabase directly.
 * `api_user` may also write what only the service writes. Both are local to the transaction: the connection that goes
 * back to the pool is nobody's.
 *
 * A transaction that PostgreSQL rolled back for the sake of another one is run again, so the work must have no other
 * effects. It holds a connection, so it must await nothing but `tx`: no look-up, no request, no other transaction.
 *
 * @param userId whom `auth.uid()` returns, a UUID
 */
export function asUser<T>(userId: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
  // In one round trip, with the role last: it may not set itself.
  return inTransaction(
    `BEGIN; SELECT set_config('request.jwt.claims', ${claims(userId)}, true), set_config('request.id', ${requestId()}, true); SET LOCAL ROLE api_user`,
    work,
  );
}

/** Runs work in one transaction as the service itself, which may do what the migrations grant to `api`, and no more. */
export function asService<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  return inTransaction('BEGIN', work);
}

async function inTransaction<T>(begin: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(begin, work);
    } catch (error) {
      if (attempt === ATTEMPTS || !isRetryable(error)) throw error;
    }
  }
}

async function runOnce<T>(begin: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const client = await pool().connect();
  const connection = { held: true };
  let broken: Error | undefined;
  try {
    await client.query(begin);
    const result = await heldConnection().run(connection, () => work(client));
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure; // whatever state it is in, nobody gets this connection again
    });
    throw error;
  } finally {
    connection.held = false;
    client.release(broken);
  }
}

const claims = (userId: string) => pg.escapeLiteral(JSON.stringify({ sub: userId, role: 'authenticated' }));

/** For triggers that record what a request did. */
const requestId = () => pg.escapeLiteral(requestContext.getStore()?.requestId ?? '');
