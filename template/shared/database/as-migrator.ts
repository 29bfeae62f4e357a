import pg from 'pg';
import { lockMigrations } from './migration-lock.js';

/**
 * Runs a function as the owner of the schema, with the migration lock on another connection: processes take turns.
 *
 * @param ownerUrl of the role that owns the schema
 */
export async function asMigrator<Result>(
  ownerUrl: string,
  work: (owner: pg.Client) => Promise<Result>,
): Promise<Result> {
  const holder = new pg.Client({ connectionString: ownerUrl });
  const owner = new pg.Client({ connectionString: ownerUrl });
  // The server may end a connection that is idle. Without a listener, the event would end the process.
  for (const client of [holder, owner]) client.on('error', () => undefined);
  try {
    await holder.connect();
    await lockMigrations(async (statement, values) => (await holder.query(statement, values)).rows);
    await owner.connect();
    return await work(owner);
  } finally {
    // The end of its connection ends the transaction that holds the lock.
    await Promise.all([owner.end(), holder.end()]);
  }
}
