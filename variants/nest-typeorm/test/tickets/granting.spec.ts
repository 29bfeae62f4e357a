import { describe, expect, it } from 'vitest';
import { grantOrders, type RememberedAnswer } from '../../src/tickets/granting.js';
import type { PurchaseOrder, PurchaseOutcome } from '../../src/tickets/purchase.js';

const NOW = new Date('2030-01-01T00:00:00Z');

function anEvent(capacity: number, sold = 0) {
  const startsAt = new Date('2030-05-01T19:30:00Z');
  return { id: 'event', capacity, sold, price: 250, currency: 'EUR', startsAt };
}

function anOrder(quantity: number, key?: string, request = 'the request'): PurchaseOrder {
  const idempotency = key === undefined ? undefined : { key, fingerprint: Buffer.from(request) };
  const buyer = {
    buyerName: 'Ada',
    buyerEmail: 'ada@example.com',
    receivedAt: performance.now(),
    isAbandoned: () => false,
  };
  return {
    id: `order of ${quantity}`,
    eventId: 'event',
    quantity,
    ...buyer,
    ...(idempotency && { idempotency }),
  };
}

function grant(
  event: ReturnType<typeof anEvent>,
  orders: PurchaseOrder[],
  remembered = new Map<string, RememberedAnswer>(),
) {
  return grantOrders(event, orders, remembered, NOW);
}

/** The tickets of a granted order, the code of a refused one. */
function shortly(outcome: PurchaseOutcome): number[] | string {
  return 'response' in outcome ? [...outcome.response.ticketNumbers] : outcome.code;
}

describe('grantOrders', () => {
  it('numbers tickets without gaps, from the first that is not sold', () => {
    const { outcomes, sales } = grant(anEvent(100, 7), [anOrder(2), anOrder(1), anOrder(3)]);
    expect(outcomes.map(shortly)).toEqual([[8, 9], [10], [11, 12, 13]]);
    expect(sales.map(({ firstTicket, order }) => [firstTicket, order.quantity])).toEqual([
      [8, 2],
      [10, 1],
      [11, 3],
    ]);
  });

  it('gives an order all of its tickets or none, and what it leaves to those behind it', () => {
    const { outcomes } = grant(anEvent(5), [anOrder(3), anOrder(3), anOrder(2), anOrder(1)]);
    expect(outcomes.map(shortly)).toEqual([[1, 2, 3], 'NOT_ENOUGH_TICKETS', [4, 5], 'SOLD_OUT']);
    expect(outcomes[1]).toMatchObject({ members: { available: 2 }, message: 'Only 2 tickets are left.' });
  });

  it('charges the price once per ticket', () => {
    const { outcomes } = grant(anEvent(10), [anOrder(4)]);
    expect(outcomes[0]).toMatchObject({ response: { totalPrice: 1_000, currency: 'EUR', quantity: 4 } });
  });

  it('sells nothing from the moment at which the event starts', () => {
    const event = { ...anEvent(10), startsAt: NOW };
    expect(grant(event, [anOrder(1)]).outcomes.map(shortly)).toEqual(['EVENT_STARTED']);
    const later = { ...event, startsAt: new Date(NOW.getTime() + 1) };
    expect(grant(later, [anOrder(1)]).outcomes.map(shortly)).toEqual([[1]]);
  });

  it('answers a key that occurs twice in one group with one sale', () => {
    const { outcomes, sales } = grant(anEvent(10), [anOrder(2, 'key'), anOrder(2, 'key')]);
    expect(outcomes.map(shortly)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(outcomes.map((outcome) => 'replayed' in outcome && outcome.replayed)).toEqual([false, true]);
    expect(sales).toHaveLength(1);
  });

  it('refuses a key that comes with another request, and leaves its first sale alone', () => {
    const orders = [anOrder(2, 'key'), anOrder(1, 'key', 'another request'), anOrder(1)];
    expect(grant(anEvent(10), orders).outcomes.map(shortly)).toEqual([[1, 2], 'IDEMPOTENCY_KEY_REUSED', [3]]);
  });

  it('replays what an earlier transaction answered, even when the event is sold out or has started', () => {
    const [first] = grant(anEvent(1), [anOrder(1, 'key')]).outcomes;
    if (first === undefined || !('response' in first)) throw new Error('the order was not granted');
    const remembered = new Map([
      ['key', { fingerprint: Buffer.from('the request'), response: first.response }],
    ]);
    const over = { ...anEvent(1, 1), startsAt: NOW };
    const { outcomes, sales } = grant(over, [anOrder(1, 'key')], remembered);
    expect(outcomes).toEqual([{ response: first.response, replayed: true }]);
    expect(sales).toEqual([]);
  });

  it('remembers no key of a refused order: a repetition may still succeed', () => {
    const remembered = new Map<string, RememberedAnswer>();
    grant(anEvent(1), [anOrder(2, 'key')], remembered);
    expect(remembered).toEqual(new Map());
  });
});
