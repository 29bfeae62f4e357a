import { getTableName } from 'drizzle-orm';
import type { Pool } from 'pg';
import { idempotencyKeys, inbox } from './schema/index.js';
import { withClient } from './with-client.js';

/** Rows per transaction: a sweep holds nothing up, and can be stopped. */
const BATCH = 1_000;

/** What may be forgotten, whosever it is. */
const EXPIRING = { idempotencyKeys, inbox };

/** The door for sweeping: of all tenants it sees what is old enough to be forgotten, and nothing else. */
export class ExpiryDatabase {
  constructor(private readonly pool: Pool) {}

  /**
   * Deletes what is older than a moment. Several processes may do so at once.
   *
   * @returns how many rows are gone
   */
  async forget(what: keyof typeof EXPIRING, before: Date): Promise<number> {
    let forgotten = 0;
    for (let deleted = BATCH; deleted === BATCH; forgotten += deleted)
      deleted = await this.forgetBatch(getTableName(EXPIRING[what]), before);
    return forgotten;
  }

  private async forgetBatch(table: string, before: Date): Promise<number> {
    return withClient(this.pool, async (client) => {
      const [, , { rowCount }] = await Promise.all([
        client.query('BEGIN'),
        client.query(`SELECT set_config('app.expired_before', $1, true)`, [before.toISOString()]),
        client.query(
          `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM ${table} WHERE created_at < $1 LIMIT ${BATCH}))`,
          [before],
        ),
        client.query('COMMIT'),
      ]);
      return rowCount ?? 0;
    });
  }
}
