import type { OutboxRow, Publication, Refusal } from '@app/database';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { failureReason } from '../common/logging/failure-reason.js';
import { EVENT_HANDLERS, type EventHandler } from './event-handler.js';
import { InboxService } from './inbox.service.js';
import type { EventPublisher } from './publisher.js';
import { deadLetters, handled, redeliveryDelay } from './redelivery.js';

/**
 * Gives events to the handlers of this service, without a broker. One that a handler cannot deal with is given to it again
 * some times, and then kept in the outbox, with the reason; who has dealt with it already is left alone.
 */
@Injectable()
export class InProcessPublisher implements EventPublisher {
  private readonly logger = new Logger(InProcessPublisher.name);

  constructor(
    private readonly inbox: InboxService,
    @Inject(EVENT_HANDLERS) private readonly handlers: readonly EventHandler[],
  ) {
    for (const { consumer } of handlers)
      for (const counter of [handled, deadLetters]) counter.add(0, { consumer });
  }

  async publish(rows: readonly OutboxRow[]): Promise<Publication> {
    const refused = new Map<OutboxRow, Refusal>();
    for (const handler of this.handlers) {
      const { consumer } = handler;
      for (const { message: row, hadEffect, error } of await this.inbox.deliver(handler, rows, eventOf)) {
        if (hadEffect) handled.add(1, { consumer });
        if (error === undefined) continue;
        this.logger.warn({ err: error, consumer, eventId: row.id }, 'an event could not be handled');
        const retryInMs = redeliveryDelay(error, row.attempts + 1);
        if (retryInMs === undefined) deadLetters.add(1, { consumer });
        const reason = `${consumer}: ${failureReason(error)}`;
        refused.set(row, { row, reason, ...(retryInMs !== undefined && { retryInMs }) });
      }
    }
    return { arrived: rows.filter((row) => !refused.has(row)), refused: [...refused.values()] };
  }
}

const eventOf = ({ event }: OutboxRow): unknown => event;
