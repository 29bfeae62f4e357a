import { inbox, TenantDatabase } from '@app/database';
import { envelope } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { context, propagation } from '@opentelemetry/api';
import { DatabaseService } from '../common/database/database.service.js';
import type { EventHandler } from './event-handler.js';

/** The message is not what its contract promises; another delivery would not change that. */
export class UnusableEventError extends Error {
  override name = 'UnusableEventError';
}

/** Gives events to handlers: each event has its effect once, whatever is delivered how often. */
@Injectable()
export class InboxService {
  constructor(
    private readonly db: DatabaseService,
    private readonly tenants: TenantDatabase,
  ) {}

  /**
   * Lets a handler deal with an event, in one transaction with the note that it has.
   *
   * @param message as it came: nothing about it is believed until it is parsed
   * @returns false where the handler had dealt with it before, or does not care for it
   * @throws UnusableEventError where the message breaks its contract
   */
  async deliver(handler: EventHandler, message: unknown): Promise<boolean> {
    const event = envelope.safeParse(message);
    if (!event.success) throw new UnusableEventError(`not an event: ${event.error.message}`);
    const { id, type, tenantid: tenantId } = event.data;
    const contract = handler.contracts.find(
      (candidate) => type === `${candidate.type}.v${candidate.version}`,
    );
    if (contract === undefined) return false;
    const data = contract.data.safeParse(event.data.data);
    if (!data.success) throw new UnusableEventError(`${type} breaks its contract: ${data.error.message}`);

    // The trace of whoever caused the event goes on here.
    const parent = propagation.extract(context.active(), event.data);
    return context.with(parent, () =>
      this.tenants.run({ tenantId }, async () => {
        if (handler.isRepeatable === true) {
          await handler.handle({ ...event.data, data: data.data });
          return true;
        }
        return this.db.transaction(async () => {
          const noted = await this.db
            .insert(inbox)
            .values({ tenantId, consumer: handler.consumer, eventId: id })
            .onConflictDoNothing()
            .returning({ eventId: inbox.eventId });
          if (noted.length === 0) return false;
          await handler.handle({ ...event.data, data: data.data });
          return true;
        });
      }),
    );
  }
}
