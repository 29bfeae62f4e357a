import { TenantDatabase } from '@app/database';
import { type Envelope, envelope } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';
import { DatabaseService } from '../common/database/database.service.js';
import { postgresToDomainError } from '../common/errors/postgres-errors.js';
import { issuesOf } from '../common/logging/failure-reason.js';
import { inTraceOf } from '../common/telemetry/continued-trace.js';
import { type EventHandler, OutageError } from './event-handler.js';

/** Transactions at once. Few: requests need connections as well. */
const PARALLEL = 4;

/** The message is not what its contract promises; another delivery would not change that. */
export class UnusableEventError extends Error {
  override name = 'UnusableEventError';
}

/** What became of a message. */
export interface Delivery<Message> {
  readonly message: Message;
  /** False where the handler had dealt with it before, does not care for it, or failed. */
  readonly hadEffect: boolean;
  /** Why it could not be handled: an UnusableEventError where it never can. */
  readonly error?: unknown;
}

interface Wanted<Message> {
  readonly message: Message;
  readonly event: Envelope;
}

/** Gives events to handlers: each event has its effect once, whatever is delivered how often. */
@Injectable()
export class InboxService {
  constructor(
    private readonly db: DatabaseService,
    private readonly tenants: TenantDatabase,
  ) {}

  /**
   * Lets a handler deal with events. Those of a tenant share a transaction, in which is noted that they were handled: one
   * commit for all that have come together. Where that fails they are handled one by one, so that one does not stop others.
   *
   * @param read what a message holds; nothing about it is believed until it is parsed
   * @returns what became of each, in no order
   */
  async deliver<Message>(
    handler: EventHandler,
    messages: readonly Message[],
    read: (message: Message) => unknown,
  ): Promise<Delivery<Message>[]> {
    const done: Delivery<Message>[] = [];
    const wanted = new Map<string, Wanted<Message>>();
    for (const message of messages) {
      try {
        const event = parse(handler, read(message));
        // One that has come twice is handled once.
        if (event === undefined || wanted.has(event.id)) done.push({ message, hadEffect: false });
        else wanted.set(event.id, { message, event });
      } catch (error) {
        done.push({ message, hadEffect: false, error });
      }
    }
    const groups = [...Map.groupBy(wanted.values(), ({ event }) => event.tenantid).values()];
    let outage: unknown;
    await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
          // What is away for one is away for all: to find that out for each might take longer than they may.
          const deliveries =
            outage === undefined ? await this.deliverGroup(handler, group) : failed(group, outage);
          outage ??= deliveries.find(({ error }) => isOutage(error))?.error;
          done.push(...deliveries);
        }
      }),
    );
    return done;
  }

  private async deliverGroup<Message>(
    handler: EventHandler,
    group: readonly Wanted<Message>[],
  ): Promise<Delivery<Message>[]> {
    try {
      const handled = await this.handleTogether(
        handler,
        group.map(({ event }) => event),
      );
      return group.map(({ message, event }) => ({ message, hadEffect: handled.has(event.id) }));
    } catch (error) {
      if (group.length === 1 || isOutage(error)) return failed(group, error);
      const single: Delivery<Message>[] = [];
      for (const one of group) single.push(...(await this.deliverGroup(handler, [one])));
      return single;
    }
  }

  /** @returns the ids of those that had their effect now */
  private handleTogether(handler: EventHandler, events: readonly Envelope[]): Promise<Set<string>> {
    const tenantId = events[0]?.tenantid ?? '';
    const ids = events.map(({ id }) => id);
    const handleEach = async (fresh: Set<string>) => {
      for (const event of events)
        if (fresh.has(event.id))
          await inTraceOf(event, `${handler.consumer} ${event.type}`, () => handler.handle(event));
      return fresh;
    };
    return this.tenants.run({ tenantId }, () => {
      if (handler.isRepeatable === true) return handleEach(new Set(ids));
      return this.db.transaction(async () => {
        const { rows } = await this.db.execute<{ event_id: string }>(sql`
          INSERT INTO inbox (tenant_id, consumer, event_id)
          SELECT ${tenantId}, ${handler.consumer}, unnest(${sql.param(ids)}::uuid[])
              ON CONFLICT DO NOTHING RETURNING event_id`);
        return handleEach(new Set(rows.map(({ event_id: id }) => id)));
      });
    });
  }
}

function failed<Message>(group: readonly Wanted<Message>[], error: unknown): Delivery<Message>[] {
  return group.map(({ message }) => ({ message, hadEffect: false, error }));
}

/** Whether an event could not be handled for want of the database, or of what else its handler needs. */
export function isOutage(error: unknown): boolean {
  return error instanceof OutageError || postgresToDomainError(error)?.code === 'DATABASE_UNAVAILABLE';
}

/** The event that a message holds, if the handler cares for it. @throws UnusableEventError where it breaks its contract */
function parse(handler: EventHandler, message: unknown): Envelope | undefined {
  const event = envelope.safeParse(message);
  if (!event.success) throw new UnusableEventError(`not an event: ${issuesOf(event.error)}`);
  const { type } = event.data;
  const contract = handler.contracts.find((candidate) => type === `${candidate.type}.v${candidate.version}`);
  if (contract === undefined) return undefined;
  const data = contract.data.safeParse(event.data.data);
  if (!data.success) throw new UnusableEventError(`${type} breaks its contract: ${issuesOf(data.error)}`);
  return { ...event.data, data: data.data };
}
