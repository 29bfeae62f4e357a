import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { CONFIG } from '../common/config/config.module.js';
import type { Config } from '../config/config.js';

/** Injects the connection that queues use, and that workers make theirs from. */
export const QUEUE_CONNECTION = Symbol('QUEUE_CONNECTION');

/** Not that of `RedisModule`: BullMQ takes none that has a prefix or bounds its retries. */
@Module({
  providers: [
    {
      provide: QUEUE_CONNECTION,
      inject: [CONFIG],
      useFactory: ({ REDIS_URL }: Config) =>
        new Redis(REDIS_URL, {
          // A worker waits for ever, as BullMQ wants it; whoever adds a job while Valkey is away is told at once.
          maxRetriesPerRequest: null,
          enableOfflineQueue: false,
          // Not `lazyConnect`: BullMQ would take a first attempt that fails for the end, and never try again.
        }),
    },
  ],
  exports: [QUEUE_CONNECTION],
})
export class QueueConnectionModule implements OnApplicationShutdown {
  constructor(@Inject(QUEUE_CONNECTION) private readonly connection: Redis) {}

  onApplicationShutdown(): void {
    this.connection.disconnect();
  }
}
