import type { Pool, PoolClient } from 'pg';

/**
 * Runs a function with a connection of its own. Where it fails, the transaction that it began is rolled back; a connection
 * on which not even that works is closed, and not given to anybody else.
 */
export async function withClient<Result>(
  pool: Pool,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let lost: Error | undefined;
  try {
    return await work(client);
  } catch (error) {
    await client.query('ROLLBACK').catch((reason: Error) => {
      lost = reason;
    });
    throw error;
  } finally {
    client.release(lost);
  }
}
