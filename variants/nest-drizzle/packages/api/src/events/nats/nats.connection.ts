import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node';
import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG } from '../../common/config/config.module.js';
import type { Config } from '../../config/config.js';
import { provideStream } from './nats.provisioning.js';

const DAY_MS = 86_400_000;

/** How long JetStream remembers the ids of messages; the inbox is what holds after that. */
const DUPLICATE_WINDOW_MS = 120_000;

/**
 * The connection to NATS. It is made when it is first needed and kept by the client, which reconnects by itself: the
 * service starts without NATS, and events wait in the outbox.
 */
@Injectable()
export class NatsService implements OnApplicationShutdown {
  private readonly logger = new Logger(NatsService.name);
  private connecting: Promise<NatsConnection> | undefined;

  /** The streams of this service. */
  readonly eventStream: string;
  readonly deadLetterStream: string;

  constructor(@Inject(CONFIG) private readonly config: Config) {
    this.eventStream = `${config.NATS_PREFIX}-events`;
    this.deadLetterStream = `${config.NATS_PREFIX}-dead-letters`;
  }

  /** A subject of this service's own. */
  subject(name: string): string {
    return `${this.config.NATS_PREFIX}.${name}`;
  }

  /** JetStream, with the streams that this service publishes to. @throws where NATS cannot be reached */
  async jetstream(): Promise<JetStreamClient> {
    return jetstream(await this.connection());
  }

  /** @throws where NATS cannot be reached */
  async connection(): Promise<NatsConnection> {
    this.connecting ??= this.connect();
    try {
      return await this.connecting;
    } catch (error) {
      this.connecting = undefined; // the next caller tries again
      throw error;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    const connection = await this.connecting?.catch(() => undefined);
    await connection?.drain();
  }

  private async provideStreams(manager: JetStreamManager): Promise<void> {
    const kept = { retention: RetentionPolicy.Limits, storage: StorageType.File };
    await provideStream(manager, {
      ...kept,
      name: this.eventStream,
      subjects: [this.subject('events.>')],
      max_age: nanos(7 * DAY_MS),
      duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    });
    await provideStream(manager, {
      ...kept,
      name: this.deadLetterStream,
      subjects: [this.subject('dead-letters.>')],
      max_age: nanos(30 * DAY_MS),
    });
  }

  private async connect(): Promise<NatsConnection> {
    const connection = await connect({
      servers: this.config.NATS_URL,
      name: this.config.OTEL_SERVICE_NAME,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      timeout: 3_000,
    });
    void connection.closed().then((error) => {
      this.connecting = undefined;
      if (error !== undefined) this.logger.warn({ err: error }, 'the connection to NATS has ended');
    });
    try {
      await this.provideStreams(await jetstreamManager(connection));
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }
}
