import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { DomainError } from '../common/errors/domain-error.js';
import { sqlState } from '../common/errors/sql-state.js';
import type { GrantedPurchase, PurchaseOrder, PurchaseOutcome } from './purchase.js';
import { PurchaseTimedOutError, QueueFullError } from './tickets.errors.js';

/** Decides orders for one event in one transaction; see `TicketsRepository.sell`. */
export type Sell = (eventId: string, orders: readonly PurchaseOrder[]) => Promise<PurchaseOutcome[]>;

export interface PurchaseQueueOptions {
  /** How many orders share a transaction at the most. 1 gives each order a transaction of its own at once. */
  readonly groupMax: number;
  /** How many orders may be waiting or in a transaction in this process. */
  readonly queueMax: number;
  /** How long after its request an order may wait for its transaction to begin, in milliseconds. */
  readonly waitMaxMs: number;
  /** Told the size of each group that goes into a transaction. */
  readonly onGroup?: (size: number) => void;
}

interface Waiting {
  readonly order: PurchaseOrder;
  readonly resolve: (purchase: GrantedPurchase) => void;
  readonly reject: (error: unknown) => void;
  /** Runs a function with the trace and the logger of the request that brought the order. */
  readonly inItsContext: <R>(run: () => R) => R;
}

/**
 * Group commit for purchases.
 *
 * Sales of one event queue for its row lock anyway: each transaction holds the lock for some round trips and a disk
 * flush, and so a hot event sells about a thousand times per second however many connections there are. Here, orders
 * that arrive while a transaction of the same event is under way wait in this process and then go *together* into the
 * next one: one lock, one insert, one update, one flush for all of them.
 *
 * - Orders of an event are decided in order of arrival. A refusal is an outcome of its own and fails no neighbour.
 * - An order's promise settles only after its transaction has ended: what is reported as sold is committed.
 * - Where a transaction fails over something that one order may have brought in (SQLSTATE classes 22, 23, 40), each
 *   order is tried again by itself. Where it fails over anything else (no lock, no database), all of its orders fail.
 * - Nothing here is needed for correctness: the row lock is still the arbiter between processes, and between this
 *   queue and every other writer.
 */
export class PurchaseQueue {
  private readonly lanes = new Map<string, Waiting[]>();
  private size = 0;
  private emptied: (() => void) | undefined;

  constructor(
    private readonly sell: Sell,
    private readonly options: PurchaseQueueOptions,
  ) {}

  /** Orders that wait or are in a transaction. */
  get depth(): number {
    return this.size;
  }

  /**
   * Puts an order into the queue.
   *
   * @returns the purchase, once it is committed
   * @throws DomainError the reason for which the order was refused
   * @throws QueueFullError, PurchaseTimedOutError where it was never begun
   */
  submit(order: PurchaseOrder): Promise<GrantedPurchase> {
    if (this.size >= this.options.queueMax)
      return Promise.reject(new QueueFullError(order.eventId, this.size));
    this.size += 1;
    return new Promise((resolve, reject) => {
      this.enqueue({ order, resolve, reject, inItsContext: AsyncLocalStorage.snapshot() });
    });
  }

  /** Resolves when every order has its answer. */
  async drained(): Promise<void> {
    if (this.size > 0) {
      await new Promise<void>((resolve) => {
        this.emptied = resolve;
      });
    }
  }

  private enqueue(waiting: Waiting): void {
    const { eventId } = waiting.order;
    if (this.options.groupMax === 1) {
      void this.decide(eventId, [waiting]).then((answer) => answer());
      return;
    }
    const lane = this.lanes.get(eventId);
    if (lane !== undefined) {
      lane.push(waiting);
      return;
    }
    this.lanes.set(eventId, [waiting]);
    void this.runLane(eventId);
  }

  /** One transaction of an event after the other, until none of its orders is left. */
  private async runLane(eventId: string): Promise<void> {
    const lane = this.lanes.get(eventId) ?? [];
    let answerLast = (): void => undefined;
    while (lane.length > 0) {
      const group = lane.splice(0, this.options.groupMax);
      const decided = group[0]?.inItsContext(() => this.decide(eventId, group));
      // The next transaction is on its way before the answers to the last one are written, which takes this process
      // about as long as the transaction takes the database.
      await setImmediate();
      answerLast();
      answerLast = (await decided) ?? answerLast;
    }
    this.lanes.delete(eventId);
    answerLast();
  }

  /**
   * Runs a group's transaction.
   *
   * @returns what gives each order its answer; never rejects
   */
  private async decide(eventId: string, group: readonly Waiting[]): Promise<() => void> {
    const earliest = performance.now() - this.options.waitMaxMs;
    const begun = group.filter(({ order }) => order.receivedAt >= earliest && !order.isAbandoned());
    for (const waiting of group)
      if (!begun.includes(waiting)) this.fail(waiting, new PurchaseTimedOutError(eventId));
    if (begun.length === 0) return () => undefined;

    this.options.onGroup?.(begun.length);
    try {
      const outcomes = await this.sell(
        eventId,
        begun.map(({ order }) => order),
      );
      return () => {
        for (const [index, waiting] of begun.entries()) this.settle(waiting, outcomes[index]);
      };
    } catch (error) {
      if (begun.length > 1 && mayBeOneOrdersFault(error)) return this.decideOneByOne(eventId, begun);
      return () => {
        for (const waiting of begun) this.fail(waiting, error);
      };
    }
  }

  private async decideOneByOne(eventId: string, group: readonly Waiting[]): Promise<() => void> {
    const answers: (() => void)[] = [];
    for (const waiting of group)
      answers.push(await waiting.inItsContext(() => this.decide(eventId, [waiting])));
    return () => {
      for (const answer of answers) answer();
    };
  }

  private settle(waiting: Waiting, outcome: PurchaseOutcome | undefined): void {
    if (outcome === undefined || outcome instanceof DomainError) {
      this.fail(waiting, outcome ?? new Error('the transaction gave no outcome for an order'));
    } else {
      this.leave();
      waiting.resolve(outcome);
    }
  }

  private fail(waiting: Waiting, error: unknown): void {
    this.leave();
    waiting.reject(error);
  }

  private leave(): void {
    this.size -= 1;
    if (this.size === 0) this.emptied?.();
  }
}

/** Data exceptions, broken constraints and rollbacks (SQLSTATE classes) come from what a transaction does. */
function mayBeOneOrdersFault(error: unknown): boolean {
  return ['22', '23', '40'].includes(sqlState(error)?.slice(0, 2) ?? '');
}
