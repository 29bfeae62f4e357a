import {
  type DynamicModule,
  Global,
  Inject,
  Logger,
  Module,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Redis } from 'ioredis';

/** Injects the connection to Valkey: `@Inject(REDIS) private readonly redis: Redis`. */
export const REDIS = Symbol('REDIS');

/** A command waits this long at the most: whoever asks has something better to do without Valkey than to wait for it. */
const COMMAND_TIMEOUT_MS = 1_000;

@Global()
@Module({})
export class RedisModule implements OnApplicationShutdown {
  constructor(@Inject(REDIS) private readonly redis: Redis) {}

  static forRoot({ REDIS_URL, REDIS_PREFIX }: { REDIS_URL: string; REDIS_PREFIX: string }): DynamicModule {
    return {
      module: RedisModule,
      providers: [
        {
          provide: REDIS,
          useFactory: async () => {
            const redis = new Redis(REDIS_URL, {
              keyPrefix: `${REDIS_PREFIX}:`,
              commandTimeout: COMMAND_TIMEOUT_MS,
              maxRetriesPerRequest: 1,
              enableOfflineQueue: false,
              lazyConnect: true,
            });
            const logger = new Logger(RedisModule.name);
            redis.on('error', (error) => logger.warn({ err: error }, 'Valkey cannot be reached'));
            // Where this fails, it goes on trying; the service starts without.
            await redis.connect().catch(() => undefined);
            return redis;
          },
        },
      ],
      exports: [REDIS],
    };
  }

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}
