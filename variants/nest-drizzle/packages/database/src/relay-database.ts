import { eq, inArray, lte, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from 'pg';
import * as schema from './schema/index.js';
import { withClient } from './with-client.js';

/** Where relays listen; see `RelayDatabase.wake`. */
export const OUTBOX_CHANNEL = 'outbox';

export type OutboxRow = typeof schema.outbox.$inferSelect;

/** A row that cannot be published for a reason of its own. */
export interface Refusal {
  readonly row: OutboxRow;
  readonly reason: string;
  /** When to try again, in milliseconds from now. Left out, the row stays in the outbox as a dead letter. */
  readonly retryInMs?: number;
}

/** What became of rows; those that are in neither list are tried again, as if nothing had been. */
export interface Publication {
  readonly arrived: readonly OutboxRow[];
  readonly refused: readonly Refusal[];
}

/** What lies in the outbox. */
export interface Backlog {
  /** How many events wait to be published. */
  readonly events: number;
  /** How long the oldest of them has waited. */
  readonly ageSeconds: number;
  /** How many are not tried again. */
  readonly dead: number;
}

/** The door for the outbox relay: it sees the outbox of all tenants, and no other table. */
export class RelayDatabase {
  constructor(private readonly pool: Pool) {}

  /**
   * Claims the oldest rows that no other relay has claimed, and deletes those that `publish` says have arrived. Rows are
   * locked until then, and free again when this process dies: what was published and not deleted is published again, and
   * the event's id tells the consumers so.
   *
   * @param publish resolves with what has certainly arrived, and what was refused
   * @returns how many were claimed and how many of them have arrived
   */
  async relay(
    limit: number,
    publish: (rows: readonly OutboxRow[]) => Promise<Publication>,
  ): Promise<{ claimed: number; published: number }> {
    return withClient(this.pool, async (client) => {
      const db = drizzle({ client, schema });
      const [, , rows] = await Promise.all([
        client.query('BEGIN'),
        client.query(`SELECT set_config('app.relay', 'on', true)`),
        db
          .select()
          .from(schema.outbox)
          .where(lte(schema.outbox.retryAt, sql`now()`))
          .orderBy(schema.outbox.id)
          .limit(limit)
          .for('update', { skipLocked: true }),
      ]);
      const { arrived, refused } = rows.length === 0 ? { arrived: [], refused: [] } : await publish(rows);
      if (arrived.length > 0) {
        const ids = arrived.map(({ id }) => id);
        await db.delete(schema.outbox).where(inArray(schema.outbox.id, ids));
      }
      for (const { row, reason, retryInMs } of refused) {
        const retryAt =
          retryInMs === undefined ? sql`'infinity'` : sql`now() + ${retryInMs} * interval '1 millisecond'`;
        await db
          .update(schema.outbox)
          .set({ attempts: row.attempts + 1, failure: reason, retryAt })
          .where(eq(schema.outbox.id, row.id));
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

  /** Of all tenants. */
  async backlog(): Promise<Backlog> {
    return withClient(this.pool, async (client) => {
      const [, , { rows }] = await Promise.all([
        client.query('BEGIN READ ONLY'),
        client.query(`SELECT set_config('app.relay', 'on', true)`),
        client.query<Backlog>(
          `SELECT count(*) FILTER (WHERE retry_at < 'infinity')::int AS events,
                  coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE retry_at < 'infinity')), 0)::float8
                    AS "ageSeconds",
                  count(*) FILTER (WHERE retry_at = 'infinity')::int AS dead
             FROM outbox`,
        ),
        client.query('COMMIT'),
      ]);
      return rows[0] ?? { events: 0, ageSeconds: 0, dead: 0 };
    });
  }
}
