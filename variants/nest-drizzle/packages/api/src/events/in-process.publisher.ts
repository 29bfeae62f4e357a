import type { OutboxRow } from '@app/database';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { EVENT_HANDLERS, type EventHandler } from './event-handler.js';
import { InboxService, UnusableEventError } from './inbox.service.js';
import type { EventPublisher } from './publisher.js';

/** Gives events to the handlers of this service, without a broker. An event whose handler fails stays in the outbox. */
@Injectable()
export class InProcessPublisher implements EventPublisher {
  private readonly logger = new Logger(InProcessPublisher.name);

  constructor(
    private readonly inbox: InboxService,
    @Inject(EVENT_HANDLERS) private readonly handlers: readonly EventHandler[],
  ) {}

  async publish(rows: readonly OutboxRow[]): Promise<readonly OutboxRow[]> {
    const kept = new Set<OutboxRow>();
    for (const handler of this.handlers) {
      const { consumer } = handler;
      for (const { message, error } of await this.inbox.deliver(handler, rows, ({ event }) => event)) {
        if (error === undefined) continue;
        this.logger.error({ err: error, consumer, eventId: message.id }, 'an event could not be handled');
        // One that breaks its contract would fail for ever, and hold nothing up.
        if (!(error instanceof UnusableEventError)) kept.add(message);
      }
    }
    return rows.filter((row) => !kept.has(row));
  }
}
