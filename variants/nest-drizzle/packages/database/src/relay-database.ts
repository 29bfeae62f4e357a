import { inArray } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from 'pg';
import * as schema from './schema/index.js';
import { withClient } from './with-client.js';

/** Where relays listen; see `RelayDatabase.wake`. */
export const OUTBOX_CHANNEL = 'outbox';

export type OutboxRow = typeof schema.outbox.$inferSelect;

/** The door for the outbox relay: it sees the outbox of all tenants, and no other table. */
export class RelayDatabase {
  constructor(private readonly pool: Pool) {}

  /**
   * Claims the oldest rows that no other relay has claimed, and deletes those that `publish` says have arrived. Rows are
   * locked until then, and free again when this process dies: what was published and not deleted is published again, and
   * the event's id tells the consumers so.
   *
   * @param publish resolves with the rows that the broker has acknowledged
   * @returns how many were claimed and how many of them have arrived
   */
  async relay(
    limit: number,
    publish: (rows: readonly OutboxRow[]) => Promise<readonly OutboxRow[]>,
  ): Promise<{ claimed: number; published: number }> {
    return withClient(this.pool, async (client) => {
      const db = drizzle({ client, schema });
      const [, , rows] = await Promise.all([
        client.query('BEGIN'),
        client.query(`SELECT set_config('app.relay', 'on', true)`),
        db
          .select()
          .from(schema.outbox)
          .orderBy(schema.outbox.id)
          .limit(limit)
          .for('update', { skipLocked: true }),
      ]);
      const arrived = rows.length === 0 ? [] : await publish(rows);
      if (arrived.length > 0) {
        const ids = arrived.map(({ id }) => id);
        await db.delete(schema.outbox).where(inArray(schema.outbox.id, ids));
      }
      await client.query('COMMIT');
      return { claimed: rows.length, published: arrived.length };
    });
  }

  /**
   * Wakes the relays of all processes. Call it after the transaction that wrote an event: a NOTIFY inside it takes a lock
   * at the commit that all who notify queue for, while each of them waits for the disk.
   */
  async wake(): Promise<void> {
    await this.pool.query(`NOTIFY ${OUTBOX_CHANNEL}`);
  }

  /** How many events wait to be published, and for how long the oldest has, in seconds. */
  async backlog(): Promise<{ events: number; ageSeconds: number }> {
    return withClient(this.pool, async (client) => {
      const [, , { rows }] = await Promise.all([
        client.query('BEGIN READ ONLY'),
        client.query(`SELECT set_config('app.relay', 'on', true)`),
        client.query<{ events: number; ageSeconds: number }>(
          `SELECT count(*)::int AS events,
                  coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "ageSeconds"
             FROM outbox`,
        ),
        client.query('COMMIT'),
      ]);
      return rows[0] ?? { events: 0, ageSeconds: 0 };
    });
  }
}
