import { type DynamicModule, Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import type { Redis } from 'ioredis';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { ConfigModule } from './config/config.module.js';
import { ProblemFilter } from './errors/problem.filter.js';
import { clientNetwork } from './http/client-network.js';
import { Drain } from './http/drain.js';
import { ProblemThrottlerGuard } from './rate-limit/problem-throttler.guard.js';
import { RedisThrottlerStorage } from './rate-limit/redis-throttler.storage.js';
import { REDIS, RedisModule } from './redis/redis.module.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { createValidationPipe } from './validation/validation.pipe.js';

/** What every request meets, whichever module answers it: errors, validation, rate limit, logging, metrics. */
@Global()
@Module({})
export class CommonModule {
  static forRoot(config: Config, logger: Logger): DynamicModule {
    return {
      module: CommonModule,
      imports: [
        ConfigModule.forRoot(config),
        // Lines get their request's id from `requestContext`.
        LoggerModule.forRoot({ pinoHttp: { logger }, useExisting: true, forRoutes: [] }),
        RedisModule.forRoot(config),
        ThrottlerModule.forRootAsync({
          inject: [REDIS],
          useFactory: (redis: Redis) => ({
            throttlers: [
              {
                name: 'default',
                limit: config.RATE_LIMIT_MAX,
                ttl: config.RATE_LIMIT_WINDOW_SECONDS * 1_000,
              },
            ],
            storage: new RedisThrottlerStorage(redis),
            getTracker: (request) => clientNetwork(request.ip, config.RATE_LIMIT_IPV6_PREFIX),
            // One budget per client over all routes; those of users and organizations come after authentication.
            generateKey: (_context, client) => client,
          }),
        }),
        TelemetryModule,
      ],
      providers: [
        Drain,
        { provide: APP_FILTER, useClass: ProblemFilter },
        ...(config.RATE_LIMIT_ENABLED ? [{ provide: APP_GUARD, useClass: ProblemThrottlerGuard }] : []),
        { provide: APP_PIPE, useFactory: createValidationPipe },
      ],
      exports: [Drain],
    };
  }
}
