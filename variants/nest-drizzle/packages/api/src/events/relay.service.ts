import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { OUTBOX_CHANNEL, RelayDatabase } from '@app/database';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import pg from 'pg';
import { CONFIG } from '../common/config/config.module.js';
import { meter } from '../common/telemetry/metrics.js';
import type { Config } from '../config/config.js';
import { EVENT_PUBLISHER, type EventPublisher } from './publisher.js';

/** Rows per transaction: enough to make round trips cheap, few enough to keep the locks short. */
const BATCH = 200;

/** The net under LISTEN: notifications are lost with the connection that listens. */
const POLL_MS = 1_000;

const published = meter.createCounter('outbox.events.published', { description: 'Events that have arrived' });
const failures = meter.createCounter('outbox.relay.failures', {
  description: 'Attempts to publish that failed',
});

/**
 * Takes events out of the outbox and to the publisher. Every process runs one; rows that one has claimed are skipped by
 * the others. It is woken by a notification after the commit that wrote an event, and looks by itself every second.
 */
@Injectable()
export class RelayService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(RelayService.name);
  private readonly stopping = new AbortController();
  private readonly bell = new EventEmitter();
  /** Whether the bell has rung since the last look at the outbox. */
  private hasRung = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly database: RelayDatabase,
    @Inject(EVENT_PUBLISHER) private readonly publisher: EventPublisher,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    for (const counter of [published, failures]) counter.add(0); // so that they are there before they count
    this.running = Promise.all([this.run(), this.listen()]);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.hasRung = false;
      const isFull = await this.relayBatch();
      // A full batch has more behind it, and what has rung meanwhile is not waited for.
      if (!isFull && !this.hasRung) await this.pause(POLL_MS);
    }
  }

  /** @returns whether there may be more at once */
  private async relayBatch(): Promise<boolean> {
    try {
      const result = await this.database.relay(BATCH, (rows) => this.publisher.publish(rows));
      published.add(result.published);
      return result.claimed === BATCH && result.published === BATCH;
    } catch (error) {
      failures.add(1);
      this.logger.warn({ err: error }, 'the outbox could not be relayed; the next attempt follows');
      return false;
    }
  }

  /** Keeps a connection that listens, and takes another when it is lost. */
  private async listen(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const client = new pg.Client({ connectionString: this.config.DATABASE_URL, keepAlive: true });
      const lost = new AbortController();
      client.on('error', () => lost.abort());
      client.on('end', () => lost.abort());
      client.on('notification', () => this.ring());
      try {
        await client.connect();
        await client.query(`LISTEN ${OUTBOX_CHANNEL}`);
        this.ring(); // for what was written while nobody listened
        await aborted(AbortSignal.any([lost.signal, this.stopping.signal]));
      } catch (error) {
        this.logger.warn({ err: error }, 'nobody listens for new events; looking every second finds them');
      }
      await client.end().catch(() => undefined);
      if (!this.stopping.signal.aborted) await this.pause(POLL_MS);
    }
  }

  private ring(): void {
    this.hasRung = true;
    this.bell.emit('ring');
  }

  /** Until the bell rings, the time is over, or the service stops. */
  private async pause(milliseconds: number): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.stopping.signal]);
    try {
      await Promise.race([once(this.bell, 'ring', { signal }), sleep(milliseconds, undefined, { signal })]);
    } catch (error) {
      if (!this.stopping.signal.aborted) throw error;
    } finally {
      over.abort();
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
