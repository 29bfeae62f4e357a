import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG } from '../common/config/config.module.js';
import { DomainError } from '../common/errors/domain-error.js';
import { fingerprint } from '../common/idempotency/fingerprint.js';
import type { Config } from '../config/config.js';
import type { PurchaseTicketsDto } from './dto/purchase-tickets.dto.js';
import type { GrantedPurchase, PurchaseOrder } from './purchase.js';
import { PurchaseQueue } from './purchase-queue.js';
import { groupSize, observeQueue, refused, ticketsSold } from './tickets.metrics.js';
import { TicketsRepository } from './tickets.repository.js';

@Injectable()
export class TicketsService implements BeforeApplicationShutdown {
  private readonly queue: PurchaseQueue;

  constructor(tickets: TicketsRepository, @Inject(CONFIG) config: Config) {
    this.queue = new PurchaseQueue((eventId, orders) => tickets.sell(eventId, orders), {
      groupMax: config.PURCHASE_GROUP_MAX,
      queueMax: config.PURCHASE_QUEUE_MAX,
      waitMaxMs: longestWait(config),
      onGroup: (size) => groupSize.record(size),
    });
    observeQueue(() => this.queue.depth);
  }

  /**
   * Buys tickets: all of them or none, committed when this resolves.
   *
   * @param request when it came, and whether its client still waits
   * @param idempotencyKey a repetition under the same key is answered like the first and buys nothing
   * @throws EventNotFoundError, EventStartedError, SoldOutError, NotEnoughTicketsError, IdempotencyKeyReusedError
   * @throws QueueFullError, PurchaseTimedOutError where the service has too much to do; nothing was bought
   */
  async purchase(
    eventId: string,
    { quantity, buyer }: PurchaseTicketsDto,
    request: Pick<PurchaseOrder, 'receivedAt' | 'isAbandoned'>,
    idempotencyKey?: string,
  ): Promise<GrantedPurchase> {
    const wish = { eventId, quantity, buyerName: buyer.name, buyerEmail: buyer.email };
    try {
      const purchase = await this.queue.submit({
        id: uuidv7(),
        ...wish,
        ...request,
        ...(idempotencyKey !== undefined && {
          idempotency: { key: idempotencyKey, fingerprint: fingerprint(wish) },
        }),
      });
      if (!purchase.replayed) ticketsSold.add(quantity);
      return purchase;
    } catch (error) {
      refused.add(1, { reason: error instanceof DomainError ? error.code : 'FAILED' });
      throw error;
    }
  }

  /** The HTTP server still answers at this point; what was accepted is finished before the database is closed. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.queue.drained();
  }
}

/**
 * How long an order may wait for its transaction, which itself may wait for the row and for PostgreSQL: the client has the
 * outcome within REQUEST_TIMEOUT_MS. If those limits are as long as the request's, the order waits for a third of that.
 */
export function longestWait(
  settings: Pick<Config, 'REQUEST_TIMEOUT_MS' | 'DATABASE_LOCK_TIMEOUT_MS' | 'DATABASE_STATEMENT_TIMEOUT_MS'>,
): number {
  const transaction = settings.DATABASE_LOCK_TIMEOUT_MS + settings.DATABASE_STATEMENT_TIMEOUT_MS;
  return Math.max(settings.REQUEST_TIMEOUT_MS - transaction, settings.REQUEST_TIMEOUT_MS / 3);
}
