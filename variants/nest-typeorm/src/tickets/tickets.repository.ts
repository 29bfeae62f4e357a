import { Injectable } from '@nestjs/common';
import pRetry from 'p-retry';
import type { PoolClient } from 'pg';
import { DataSource, LessThan } from 'typeorm';
import { isRetryable, violatedConstraint } from '../common/errors/sql-state.js';
import type { Event } from '../events/event.entity.js';
import { EventNotFoundError } from '../events/events.errors.js';
import { grantOrders, type RememberedAnswer, type Sale } from './granting.js';
import { IdempotencyKey } from './idempotency-key.entity.js';
import type { PurchaseOrder, PurchaseOutcome } from './purchase.js';

/** What TypeORM calls `pessimistic_write`. */
const LOCK_EVENT = `
  SELECT id, capacity, sold, price, currency, starts_at AS "startsAt" FROM events WHERE id = $1 FOR UPDATE`;

const REMEMBERED_ANSWERS = `
  SELECT key, fingerprint, response FROM idempotency_keys WHERE key = ANY($1)`;

/**
 * Purchases, tickets, idempotency keys and the event's counters in one statement. Arrays keep its text the same for any
 * number of sales. Keys are written in their own order, so that sales of different events cannot deadlock over them.
 */
const WRITE_SALES = `
  WITH sale AS (
    SELECT * FROM unnest($2::uuid[], $3::int[], $4::int[], $5::text[], $6::text[])
      AS s (id, quantity, first_ticket, buyer_name, buyer_email)
  ), purchase AS (
    INSERT INTO purchases (id, event_id, quantity, total_price, currency, buyer_name, buyer_email, created_at)
    SELECT id, $1, quantity, $7::int * quantity, $8, buyer_name, buyer_email, $9 FROM sale
  ), ticket AS (
    INSERT INTO tickets (event_id, number, purchase_id)
    SELECT $1, number, id FROM sale, generate_series(first_ticket, first_ticket + quantity - 1) AS number
  ), idempotency_key AS (
    INSERT INTO idempotency_keys (key, fingerprint, response, created_at)
    SELECT key, fingerprint, response, $9 FROM unnest($10::text[], $11::bytea[], $12::json[])
      AS k (key, fingerprint, response) ORDER BY key
  )
  UPDATE events
     SET sold = sold + $13, sold_out = (sold + $13 = capacity), updated_at = $9
   WHERE id = $1`;

/** Data access of sales, and nothing else. */
@Injectable()
export class TicketsRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Decides orders for one event in one transaction, and writes what is granted.
   *
   * The event's row is locked first (`SELECT ... FOR UPDATE`), so whichever process gets the lock sees every sale that
   * was committed before, and none can be added until it is done. Deadlocks and serialization failures, which
   * PostgreSQL guarantees to have left nothing behind, are retried with jitter; everything else is the caller's.
   *
   * @param orders all of `eventId`, in order of arrival
   * @returns an outcome per order. When this resolves, everything that it reports as granted is committed.
   */
  async sell(eventId: string, orders: readonly PurchaseOrder[]): Promise<PurchaseOutcome[]> {
    return pRetry(() => this.sellOnce(eventId, orders), {
      retries: 4,
      minTimeout: 10,
      maxTimeout: 200,
      randomize: true,
      // Another event's sale has just taken the key: the second attempt sees which request it belongs to.
      shouldRetry: ({ error }) => isRetryable(error) || violatedConstraint(error) === 'PK_idempotency_keys',
    });
  }

  /** Forgets idempotency keys that were written before `time`. */
  async forgetKeysBefore(time: Date): Promise<number> {
    const { affected } = await this.dataSource
      .getRepository(IdempotencyKey)
      .delete({ createdAt: LessThan(time) });
    return affected ?? 0;
  }

  /**
   * The transaction in two round trips, since the lock is held for as long as it takes: the driver's pipeline mode sends
   * BEGIN with the lock, and the writes with COMMIT, and PostgreSQL runs them in that order. Where the writes fail,
   * COMMIT ends the failed transaction as a rollback, and the writes' rejection is what the caller gets.
   */
  private async sellOnce(eventId: string, orders: readonly PurchaseOrder[]): Promise<PurchaseOutcome[]> {
    const runner = this.dataSource.createQueryRunner();
    const client = (await runner.connect()) as PoolClient;
    try {
      const [, locked, remembered] = await Promise.all([
        client.query('BEGIN'),
        client.query<Event>({ name: 'lock-event', text: LOCK_EVENT, values: [eventId] }),
        rememberedAnswers(client, orders),
      ]);
      const [event] = locked.rows;
      const { outcomes, sales } =
        event === undefined
          ? { outcomes: orders.map(() => new EventNotFoundError(eventId)), sales: [] }
          : grantOrders(event, orders, remembered, new Date());
      await Promise.all([writeSales(client, sales), client.query('COMMIT')]);
      return outcomes;
    } catch (error) {
      // A connection that is lost has rolled back by itself, and the pool drops it.
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }
}

/** Read behind the lock, so that a key which another process has just written is seen. */
async function rememberedAnswers(
  client: PoolClient,
  orders: readonly PurchaseOrder[],
): Promise<Map<string, RememberedAnswer>> {
  const keys = orders.flatMap(({ idempotency }) => idempotency?.key ?? []);
  if (keys.length === 0) return new Map();
  const { rows } = await client.query<RememberedAnswer & { key: string }>(REMEMBERED_ANSWERS, [keys]);
  return new Map(rows.map(({ key, fingerprint, response }) => [key, { fingerprint, response }]));
}

async function writeSales(client: PoolClient, sales: readonly Sale[]): Promise<void> {
  const [first] = sales;
  if (first === undefined) return;
  const keyed = sales.flatMap(({ order, response }) =>
    order.idempotency ? [{ ...order.idempotency, response }] : [],
  );
  const { eventId, createdAt, currency } = first.response;
  await client.query({
    name: 'write-sales',
    text: WRITE_SALES,
    values: [
      eventId,
      sales.map(({ order }) => order.id),
      sales.map(({ order }) => order.quantity),
      sales.map(({ firstTicket }) => firstTicket),
      sales.map(({ order }) => order.buyerName),
      sales.map(({ order }) => order.buyerEmail),
      first.price,
      currency,
      createdAt,
      keyed.map(({ key }) => key),
      keyed.map(({ fingerprint }) => fingerprint),
      keyed.map(({ response }) => JSON.stringify(response)),
      sales.reduce((total, { order }) => total + order.quantity, 0),
    ],
  });
}
