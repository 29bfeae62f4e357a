import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DomainError } from '../../src/common/errors/domain-error.js';
import type { GrantedPurchase, PurchaseOrder, PurchaseOutcome } from '../../src/tickets/purchase.js';
import { PurchaseQueue, type PurchaseQueueOptions } from '../../src/tickets/purchase-queue.js';
import { QueueFullError, SoldOutError } from '../../src/tickets/tickets.errors.js';

/** A transaction that the queue has begun, and that the test ends. */
interface Transaction {
  readonly eventId: string;
  readonly orders: readonly PurchaseOrder[];
  commit(outcomes?: PurchaseOutcome[]): void;
  fail(error: Error): void;
}

/** A queue over transactions that last until the test ends them. */
function aQueue(options: Partial<PurchaseQueueOptions> = {}) {
  const transactions: Transaction[] = [];
  const queue = new PurchaseQueue(
    (eventId, orders) =>
      new Promise((resolve, reject) => {
        const commit = (outcomes = orders.map(granted)) => resolve(outcomes);
        transactions.push({ eventId, orders, commit, fail: reject });
      }),
    { groupMax: 100, queueMax: 1_000, waitMaxMs: 60_000, ...options },
  );
  return { queue, transactions };
}

let ids = 0;

function anOrder(eventId = 'event'): PurchaseOrder {
  ids += 1;
  const request = { receivedAt: performance.now(), isAbandoned: () => false };
  return {
    id: `order ${ids}`,
    eventId,
    quantity: 1,
    buyerName: 'Ada',
    buyerEmail: 'ada@example.com',
    ...request,
  };
}

function granted(order: PurchaseOrder): GrantedPurchase {
  const response = { id: order.id, eventId: order.eventId, quantity: 1, ticketNumbers: [1] };
  return { response: { ...response, totalPrice: 1, currency: 'EUR', createdAt: '' }, replayed: false };
}

/** Lets everything happen that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
}

/** What has become of a promise by now: its value, its error, or `pending`. */
async function now(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise.catch((error: unknown) => error), settle().then(() => 'pending')]);
}

function sqlError(code: string): Error {
  return Object.assign(new Error('refused'), { code });
}

describe('grouping', () => {
  it('begins the first order at once, and the ones that arrive meanwhile together after it', async () => {
    const { queue, transactions } = aQueue();
    const orders = [anOrder(), anOrder(), anOrder(), anOrder()];
    const answers = orders.map((order) => queue.submit(order));
    await settle();
    expect(transactions.map(({ orders }) => orders)).toEqual([[orders[0]]]);

    transactions[0]?.commit();
    await settle();
    expect(transactions[1]?.orders).toEqual(orders.slice(1));
    transactions[1]?.commit();
    expect((await Promise.all(answers)).map(({ response }) => response.id)).toEqual(
      orders.map(({ id }) => id),
    );
  });

  it('puts no more than groupMax into one transaction, in order of arrival', async () => {
    const { queue, transactions } = aQueue({ groupMax: 3 });
    const orders = Array.from({ length: 8 }, () => anOrder());
    const answers = orders.map((order) => queue.submit(order));
    for (let index = 0; index < 4; index += 1) {
      await settle();
      transactions[index]?.commit();
    }
    await Promise.all(answers);
    expect(transactions.map(({ orders }) => orders.length)).toEqual([1, 3, 3, 1]);
    expect(transactions.flatMap(({ orders }) => orders)).toEqual(orders);
  });

  it('runs one transaction per event at a time, and events side by side', async () => {
    const { queue, transactions } = aQueue();
    const answers = ['a', 'b', 'a', 'b'].map((event) => queue.submit(anOrder(event)));
    await settle();
    expect(transactions.map(({ eventId }) => eventId)).toEqual(['a', 'b']);
    transactions[1]?.commit();
    await settle();
    expect(transactions.map(({ eventId }) => eventId)).toEqual(['a', 'b', 'b']);
    transactions[0]?.commit();
    transactions[2]?.commit();
    await settle();
    transactions[3]?.commit();
    await Promise.all(answers);
  });

  it('gives each order a transaction of its own at once where groupMax is 1', async () => {
    const { queue, transactions } = aQueue({ groupMax: 1 });
    const answers = [anOrder(), anOrder(), anOrder()].map((order) => queue.submit(order));
    await settle();
    expect(transactions.map(({ orders }) => orders.length)).toEqual([1, 1, 1]);
    for (const transaction of transactions) transaction.commit();
    await Promise.all(answers);
  });

  it('reports the size of each group', async () => {
    const sizes: number[] = [];
    const { queue, transactions } = aQueue({ onGroup: (size) => sizes.push(size) });
    const answers = [anOrder(), anOrder(), anOrder()].map((order) => queue.submit(order));
    await settle();
    transactions[0]?.commit();
    await settle();
    transactions[1]?.commit();
    await Promise.all(answers);
    expect(sizes).toEqual([1, 2]);
  });
});

describe('answers', () => {
  it('come only after the transaction has ended', async () => {
    const { queue, transactions } = aQueue();
    const answer = queue.submit(anOrder());
    expect(await now(answer)).toBe('pending');
    transactions[0]?.commit();
    await expect(answer).resolves.toMatchObject({ replayed: false });
  });

  it('are each order’s own: a refusal fails no neighbour', async () => {
    const { queue, transactions } = aQueue();
    const first = queue.submit(anOrder());
    const orders = [anOrder(), anOrder(), anOrder()] as const;
    const answers = orders.map((order) => queue.submit(order));
    await settle();
    transactions[0]?.commit();
    await first;
    await settle();
    transactions[1]?.commit([granted(orders[0]), new SoldOutError('event'), granted(orders[2])]);
    const outcomes = await Promise.allSettled(answers);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(answers[1]).rejects.toBeInstanceOf(SoldOutError);
    await expect(answers[2]).resolves.toMatchObject({ response: { id: orders[2].id } });
  });

  it('never claim a purchase that the transaction gave no outcome for', async () => {
    const { queue, transactions } = aQueue();
    const answer = queue.submit(anOrder());
    await settle();
    transactions[0]?.commit([]);
    await expect(answer).rejects.toThrow('no outcome');
  });
});

describe('a transaction that fails', () => {
  /** Three orders in one transaction, which is under way. */
  async function aGroup() {
    const { queue, transactions } = aQueue();
    const first = queue.submit(anOrder());
    const orders = [anOrder(), anOrder(), anOrder()];
    const answers = orders.map((order) => queue.submit(order));
    await settle();
    transactions[0]?.commit();
    await first;
    await settle();
    const [, group] = transactions;
    if (group?.orders.length !== 3) throw new Error('the orders are not in one group');
    return { queue, transactions, group, orders, answers };
  }

  it.each(['23505', '22003', '40P01', '40001'])(
    'with SQLSTATE %s has each order tried by itself, so that only the guilty one fails',
    async (code) => {
      const { transactions, group, orders, answers } = await aGroup();
      group.fail(sqlError(code));
      for (const index of [2, 3, 4]) {
        await settle();
        expect(transactions[index]?.orders).toEqual([orders[index - 2]]);
        if (index === 3) transactions[index]?.fail(sqlError('23505'));
        else transactions[index]?.commit();
      }
      const outcomes = await Promise.allSettled(answers);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    },
  );

  it.each(['55P03', '57P01', 'ECONNRESET'])(
    'with %s fails all of its orders, and tries none again',
    async (code) => {
      const { transactions, group, answers } = await aGroup();
      const error = sqlError(code);
      group.fail(error);
      const outcomes = await Promise.allSettled(answers);
      expect(outcomes).toEqual(Array.from({ length: 3 }, () => ({ status: 'rejected', reason: error })));
      expect(transactions).toHaveLength(2);
    },
  );

  it('does not hold up what comes after it', async () => {
    const { queue, transactions, group, answers } = await aGroup();
    const next = queue.submit(anOrder());
    group.fail(sqlError('55P03'));
    await Promise.allSettled(answers);
    await settle();
    transactions[2]?.commit();
    await expect(next).resolves.toMatchObject({ replayed: false });
  });
});

describe('bounds', () => {
  it('refuses an order when queueMax are waiting or in a transaction, and takes it when there is room', async () => {
    const { queue, transactions } = aQueue({ queueMax: 2 });
    const taken = [queue.submit(anOrder()), queue.submit(anOrder('other'))];
    await expect(queue.submit(anOrder('third'))).rejects.toBeInstanceOf(QueueFullError);
    await settle();
    transactions[0]?.commit();
    await taken[0];
    expect(queue.depth).toBe(1);
    void queue.submit(anOrder('third')).catch(() => undefined);
    expect(queue.depth).toBe(2);
    transactions[1]?.commit();
    await taken[1];
  });

  it('gives an order up, unbegun, when it has waited longer than waitMaxMs', async () => {
    const { queue, transactions } = aQueue({ waitMaxMs: -1 });
    const answer = queue.submit(anOrder());
    const error: unknown = await answer.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DomainError);
    expect((error as DomainError).code).toBe('LOCK_TIMEOUT');
    expect(transactions).toEqual([]);
  });

  it('skips an order whose client has its response or is gone', async () => {
    const { queue, transactions } = aQueue();
    const first = queue.submit(anOrder());
    let isAbandoned = false;
    const second = queue
      .submit({ ...anOrder(), isAbandoned: () => isAbandoned })
      .catch((error: unknown) => error);
    isAbandoned = true;
    transactions[0]?.commit();
    await first;
    expect(await second).toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(transactions).toHaveLength(1);
  });

  it('keeps nothing of an event that nobody buys from any more', async () => {
    const { queue, transactions } = aQueue();
    for (const event of ['a', 'b']) {
      const answer = queue.submit(anOrder(event));
      await settle();
      transactions.at(-1)?.commit();
      await answer;
    }
    await settle();
    expect(queue.depth).toBe(0);
    expect(Reflect.get(queue, 'lanes')).toEqual(new Map());
  });
});

describe('draining', () => {
  it('waits for every order that was taken', async () => {
    const { queue, transactions } = aQueue();
    const answers = [queue.submit(anOrder()), queue.submit(anOrder())];
    const drained = queue.drained();
    await settle();
    transactions[0]?.commit();
    expect(await now(drained)).toBe('pending');
    transactions[1]?.commit();
    await drained;
    await expect(Promise.all(answers)).resolves.toHaveLength(2);
  });

  it('does not wait where nothing is waiting', async () => {
    expect(await now(aQueue().queue.drained())).toBeUndefined();
  });
});
