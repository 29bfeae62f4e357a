import type { Event } from '../events/event.entity.js';
import type { PurchaseResponse } from './dto/purchase-response.dto.js';
import type { PurchaseOrder, PurchaseOutcome } from './purchase.js';
import {
  EventStartedError,
  IdempotencyKeyReusedError,
  NotEnoughTicketsError,
  PurchaseTimedOutError,
  SoldOutError,
} from './tickets.errors.js';

/** An order that is granted, and the tickets it gets: `firstTicket` and the numbers that follow it. */
export interface Sale {
  readonly order: PurchaseOrder;
  readonly firstTicket: number;
  /** Of one ticket, in minor units. */
  readonly price: number;
  readonly response: PurchaseResponse;
}

/** What is known of an idempotency key that was used before. */
export interface RememberedAnswer {
  readonly fingerprint: Buffer;
  readonly response: PurchaseResponse;
}

/**
 * Grants or refuses orders for one event in the order of their arrival. Each order gets all its tickets or none; one
 * that is refused takes nothing from those behind it.
 *
 * @param event as it is under its row lock
 * @param remembered the answers to keys that were used before; keys of granted orders are added
 * @returns an outcome per order, in the same order, and what is to be written for them
 */
export function grantOrders(
  event: Pick<Event, 'id' | 'capacity' | 'sold' | 'price' | 'currency' | 'startsAt'>,
  orders: readonly PurchaseOrder[],
  remembered: Map<string, RememberedAnswer>,
  now: Date,
): { outcomes: PurchaseOutcome[]; sales: Sale[] } {
  const sales: Sale[] = [];
  let sold = event.sold;

  const outcomes = orders.map((order): PurchaseOutcome => {
    const { idempotency, quantity } = order;
    // The wait for the lock may have been longer than the client's.
    if (order.isAbandoned()) return new PurchaseTimedOutError(event.id);
    const answer = idempotency === undefined ? undefined : remembered.get(idempotency.key);
    if (idempotency !== undefined && answer !== undefined) {
      if (!answer.fingerprint.equals(idempotency.fingerprint))
        return new IdempotencyKeyReusedError(idempotency.key);
      return { response: answer.response, replayed: true };
    }
    if (event.startsAt <= now) return new EventStartedError(event.id, event.startsAt);
    const available = event.capacity - sold;
    if (available === 0) return new SoldOutError(event.id);
    if (available < quantity) return new NotEnoughTicketsError(event.id, available);

    const firstTicket = sold + 1;
    sold += quantity;
    const response: PurchaseResponse = {
      id: order.id,
      eventId: event.id,
      quantity,
      ticketNumbers: Array.from({ length: quantity }, (_, index) => firstTicket + index),
      totalPrice: event.price * quantity,
      currency: event.currency,
      createdAt: now.toISOString(),
    };
    sales.push({ order, firstTicket, price: event.price, response });
    if (idempotency !== undefined)
      remembered.set(idempotency.key, { fingerprint: idempotency.fingerprint, response });
    return { response, replayed: false };
  });
  return { outcomes, sales };
}
