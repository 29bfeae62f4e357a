import { setTimeout as sleep } from 'node:timers/promises';
import { AckPolicy, type ConsumerMessages, type JsMsg, jetstreamManager } from '@nats-io/jetstream';
import { headers, nanos } from '@nats-io/transport-node';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { BatchObservableResult } from '@opentelemetry/api';
import { failureReason } from '../../common/logging/failure-reason.js';
import { meter } from '../../common/telemetry/metrics.js';
import { EVENT_HANDLERS, type EventHandler } from '../event-handler.js';
import { InboxService, UnusableEventError } from '../inbox.service.js';
import { deadLetters, handled, redeliveryDelay } from '../redelivery.js';
import { NatsService } from './nats.connection.js';
import { ProvisioningError, provideConsumer } from './nats.provisioning.js';

/** Longer than any handler takes: until then the event is not given to another process. */
const ACK_WAIT_MS = 30_000;
const RECONNECT_MS = 1_000;
/** JetStream has refused a consumer as it is declared: only people can change that. */
const REFUSED_MS = 30_000;

export interface ConsumerLag {
  /** Events that are not handled yet, in all processes; undefined if the consumer does not exist. */
  readonly waiting: number | undefined;
  /** Whether this process consumes. */
  readonly isConsuming: boolean;
}

/**
 * A durable consumer for each handler, shared by all processes. Messages are acknowledged after the transaction of their
 * effect; one that keeps failing goes to `dead-letters.<consumer>`, with the reason, and holds nothing up.
 */
@Injectable()
export class NatsConsumers implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(NatsConsumers.name);
  private readonly stopping = new AbortController();
  /** By consumer, while this process consumes. */
  private readonly open = new Map<string, ConsumerMessages>();
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly nats: NatsService,
    private readonly inbox: InboxService,
    @Inject(EVENT_HANDLERS) private readonly handlers: readonly EventHandler[],
  ) {}

  onApplicationBootstrap(): void {
    this.observeLag();
    this.running = Promise.all(this.handlers.map((handler) => this.run(handler)));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    for (const messages of this.open.values()) messages.stop();
    await this.running;
  }

  private async run(handler: EventHandler): Promise<void> {
    for (const counter of [handled, deadLetters]) counter.add(0, { consumer: handler.consumer });
    while (!this.stopping.signal.aborted) {
      try {
        const messages = await this.consume(handler);
        this.open.set(handler.consumer, messages);
        if (this.stopping.signal.aborted) messages.stop();
        await this.handleAll(handler, messages).finally(() => this.open.delete(handler.consumer));
      } catch (error) {
        const reason = error instanceof ProvisioningError ? error.message : undefined;
        this.logger[reason === undefined ? 'warn' : 'error'](
          { err: error, consumer: handler.consumer, reason },
          'not consuming events; trying again',
        );
        await sleep(reason === undefined ? RECONNECT_MS : REFUSED_MS, undefined, {
          signal: this.stopping.signal,
        }).catch(() => undefined);
      }
    }
  }

  /** What waits for each consumer, in all processes together, and whether this process consumes. */
  async lag(): Promise<Record<string, ConsumerLag>> {
    const manager = await jetstreamManager(await this.nats.connection());
    const lags = await Promise.all(
      this.handlers.map(async ({ consumer }) => {
        const info = await manager.consumers.info(this.nats.eventStream, consumer).catch(() => undefined);
        const waiting = info && info.num_pending + info.num_ack_pending;
        return [consumer, { waiting, isConsuming: this.open.has(consumer) }] as const;
      }),
    );
    return Object.fromEntries(lags);
  }

  private observeLag(): void {
    const waiting = meter.createObservableGauge('events.consumer.waiting', {
      description: 'Events that a consumer has not handled yet, of all processes together',
    });
    const consuming = meter.createObservableGauge('events.consumer.running', {
      description: 'Whether the process consumes events (1) or cannot (0)',
    });
    const observe = async (result: BatchObservableResult): Promise<void> => {
      for (const { consumer } of this.handlers)
        result.observe(consuming, this.open.has(consumer) ? 1 : 0, { consumer });
      const lags = await this.lag().catch(() => ({}));
      for (const [consumer, lag] of Object.entries<ConsumerLag>(lags))
        if (lag.waiting !== undefined) result.observe(waiting, lag.waiting, { consumer });
    };
    meter.addBatchObservableCallback(observe, [waiting, consuming]);
  }

  private async consume(handler: EventHandler): Promise<ConsumerMessages> {
    const client = await this.nats.jetstream();
    const manager = await jetstreamManager(await this.nats.connection());
    await provideConsumer(manager, this.nats.eventStream, {
      name: handler.consumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ACK_WAIT_MS),
      max_deliver: -1, // counted below: what an outage delays is not given up
      filter_subjects: handler.contracts.map(({ type, version }) =>
        this.nats.subject(`events.${type}.v${version}.*`),
      ),
    });
    const consumer = await client.consumers.get(this.nats.eventStream, handler.consumer);
    return consumer.consume({ max_messages: 100 });
  }

  /** Handles what has come while it was at it, together: under load that is one commit for many events. */
  private async handleAll(handler: EventHandler, messages: ConsumerMessages): Promise<void> {
    const waiting: JsMsg[] = [];
    let working = Promise.resolve();
    for await (const message of messages) {
      waiting.push(message);
      if (waiting.length > 1) continue;
      working = working
        .then(() => this.handle(handler, waiting.splice(0)))
        .catch((error: unknown) =>
          this.logger.warn(
            { err: error, consumer: handler.consumer },
            'not acknowledged; the events come again',
          ),
        );
    }
    await working;
  }

  private async handle(handler: EventHandler, messages: readonly JsMsg[]): Promise<void> {
    const { consumer } = handler;
    const deliveries = await this.inbox.deliver(handler, messages, read);
    for (const { message, hadEffect, error } of deliveries) {
      if (error === undefined) {
        if (hadEffect) handled.add(1, { consumer });
        message.ack();
        continue;
      }
      const { deliveryCount } = message.info;
      this.logger.warn({ err: error, consumer, deliveryCount }, 'an event could not be handled');
      const delay = redeliveryDelay(error, deliveryCount);
      if (delay !== undefined) {
        message.nak(delay);
        continue;
      }
      // Where not even that works, the event comes again when its time for an acknowledgement is over.
      await this.giveUp(handler, message, error).catch((reason: unknown) =>
        this.logger.warn({ err: reason, consumer }, 'an event could not be given up'),
      );
    }
  }

  private async giveUp(handler: EventHandler, message: JsMsg, error: unknown): Promise<void> {
    const header = headers();
    header.set(
      'reason',
      failureReason(error)
        .replaceAll(/[\r\n]+/g, ' ')
        .slice(0, 500),
    );
    header.set('subject', message.subject);
    const client = await this.nats.jetstream();
    await client.publish(this.nats.subject(`dead-letters.${handler.consumer}`), message.data, {
      headers: header,
      msgID: `${handler.consumer}:${message.seq}`,
    });
    deadLetters.add(1, { consumer: handler.consumer });
    message.term('given up');
  }
}

function read(message: JsMsg): unknown {
  try {
    return message.json();
  } catch {
    throw new UnusableEventError('not JSON');
  }
}
