import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { filter, type Observable, ReplaySubject, Subject, takeUntil } from 'rxjs';
import type { Config } from '../../config/config.js';
import { CONFIG } from '../config/config.module.js';
import { REDIS } from '../redis/redis.module.js';

/**
 * Tells, across processes, which rows have changed: nothing but their ids, so who listens reads the row, in a scope that may.
 * A message can be lost while Valkey is away; who listens also looks from time to time.
 */
@Injectable()
export class ChangeFeed implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(ChangeFeed.name);
  private readonly changes = new Subject<string>();
  /** Replayed: a stream that begins while the process stops ends at once. */
  private readonly end = new ReplaySubject<void>(1);
  private readonly channel: string;
  private readonly subscriber: Redis;

  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(CONFIG) { REDIS_PREFIX }: Config,
  ) {
    this.channel = `${REDIS_PREFIX}:changes`;
    this.subscriber = redis.duplicate();
  }

  async onModuleInit(): Promise<void> {
    this.subscriber.on('error', () => undefined); // the other connection to the same server says so
    this.subscriber.on('message', (_channel, id) => this.changes.next(id));
    this.subscriber.on('ready', () => {
      this.subscriber
        .subscribe(this.channel)
        .catch((error) => this.logger.warn({ err: error }, 'changes are not heard of'));
    });
    await this.subscriber.connect().catch(() => undefined);
  }

  /** Ends every stream of events: the process is asked to stop, and clients go on at another one. */
  onModuleDestroy(): void {
    this.end.next();
    this.subscriber.disconnect();
  }

  /** To be called once the change is committed. */
  async publish(id: string): Promise<void> {
    await this.redis
      .publish(this.channel, id)
      .catch((error) => this.logger.debug({ err: error }, 'a change was not told of'));
  }

  /** Emits when the row with this id has changed, and completes when the process is asked to stop. */
  of(id: string): Observable<unknown> {
    return this.changes.pipe(
      filter((changed) => changed === id),
      takeUntil(this.end),
    );
  }
}
