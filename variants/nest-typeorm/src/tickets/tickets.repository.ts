import { Injectable } from '@nestjs/common';
import pRetry from 'p-retry';
import { DataSource, type EntityManager, In, LessThan } from 'typeorm';
import { isRetryable } from '../common/errors/postgres-errors.js';
import { Event } from '../events/event.entity.js';
import { EventNotFoundError } from '../events/events.errors.js';
import { grantOrders, type RememberedAnswer, type Sale } from './granting.js';
import { IdempotencyKey } from './idempotency-key.entity.js';
import type { PurchaseOrder, PurchaseOutcome } from './purchase.js';

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
    return pRetry(() => this.dataSource.transaction((manager) => this.sellLocked(manager, eventId, orders)), {
      retries: 4,
      minTimeout: 10,
      maxTimeout: 200,
      randomize: true,
      shouldRetry: ({ error }) => isRetryable(error),
    });
  }

  /** Forgets idempotency keys that were written before `time`. */
  async forgetKeysBefore(time: Date): Promise<number> {
    const { affected } = await this.dataSource.getRepository(IdempotencyKey).delete({ createdAt: LessThan(time) });
    return affected ?? 0;
  }

  private async sellLocked(manager: EntityManager, eventId: string, orders: readonly PurchaseOrder[]): Promise<PurchaseOutcome[]> {
    const event = await manager.findOne(Event, { where: { id: eventId }, lock: { mode: 'pessimistic_write' } });
    if (event === null) return orders.map(() => new EventNotFoundError(eventId));

    const remembered = await this.rememberedAnswers(manager, orders);
    const { outcomes, sales } = grantOrders(event, orders, remembered, new Date());
    if (sales.length > 0) await this.write(manager, event, sales);
    return outcomes;
  }

  private async rememberedAnswers(manager: EntityManager, orders: readonly PurchaseOrder[]): Promise<Map<string, RememberedAnswer>> {
    const keys = orders.flatMap(({ idempotency }) => idempotency?.key ?? []);
    if (keys.length === 0) return new Map();
    const rows = await manager.findBy(IdempotencyKey, { key: In(keys) });
    return new Map(rows.map(({ key, fingerprint, response }) => [key, { fingerprint, response } as RememberedAnswer]));
  }

  /**
   * Writes purchases, tickets, idempotency keys and the event's counters in one statement, which costs one round trip
   * whatever the number of sales. Arrays keep the number of parameters, and so the prepared text, the same.
   * Keys are written in their own order, so that transactions of different events cannot deadlock over them.
   */
  private async write(manager: EntityManager, event: Event, sales: readonly Sale[]): Promise<void> {
    const keyed = sales.flatMap(({ order, response }) => (order.idempotency ? [{ ...order.idempotency, response }] : []));
    await manager.query(
      `WITH sale AS (
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
          SET sold = sold + $13, sold_out = (sold + $13 = capacity), version = version + 1, updated_at = $9
        WHERE id = $1`,
      [
        event.id,
        sales.map(({ order }) => order.id),
        sales.map(({ order }) => order.quantity),
        sales.map(({ firstTicket }) => firstTicket),
        sales.map(({ order }) => order.buyerName),
        sales.map(({ order }) => order.buyerEmail),
        event.price,
        event.currency,
        sales[0]?.response.createdAt,
        keyed.map(({ key }) => key),
        keyed.map(({ fingerprint }) => fingerprint),
        keyed.map(({ response }) => JSON.stringify(response)),
        sales.reduce((total, { order }) => total + order.quantity, 0),
      ],
    );
  }
}
