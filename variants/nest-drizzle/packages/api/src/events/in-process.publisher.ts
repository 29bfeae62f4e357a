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
    const arrived: OutboxRow[] = [];
    for (const row of rows) if (await this.deliver(row)) arrived.push(row);
    return arrived;
  }

  private async deliver({ event }: OutboxRow): Promise<boolean> {
    try {
      for (const handler of this.handlers) await this.inbox.deliver(handler, event);
      return true;
    } catch (error) {
      this.logger.error({ err: error, eventId: event.id }, 'an event could not be handled');
      return error instanceof UnusableEventError; // it would fail for ever, and hold nothing up
    }
  }
}
