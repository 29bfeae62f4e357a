import { type DynamicModule, Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { ConfigModule } from './config/config.module.js';
import { ProblemFilter } from './errors/problem.filter.js';
import { clientNetwork } from './http/client-network.js';
import { Drain } from './http/drain.js';
import { ProblemThrottlerGuard } from './rate-limit/problem-throttler.guard.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { createValidationPipe } from './validation/validation.pipe.js';

/** The settings that the common module reads itself. */
export interface CommonSettings {
  readonly RATE_LIMIT_ENABLED: boolean;
  readonly RATE_LIMIT_MAX: number;
  readonly RATE_LIMIT_WINDOW_SECONDS: number;
  readonly RATE_LIMIT_IPV6_PREFIX: number;
}

/** What every request meets, whichever module answers it: errors, validation, rate limit, logging, metrics. */
@Global()
@Module({})
export class CommonModule {
  static forRoot(config: CommonSettings, logger: Logger): DynamicModule {
    return {
      module: CommonModule,
      imports: [
        ConfigModule.forRoot(config),
        // Lines get their request's id from `requestContext`, at a fraction of what a middleware costs under Fastify.
        LoggerModule.forRoot({ pinoHttp: { logger }, useExisting: true, forRoutes: [] }),
        ThrottlerModule.forRoot({
          throttlers: [
            { name: 'default', limit: config.RATE_LIMIT_MAX, ttl: config.RATE_LIMIT_WINDOW_SECONDS * 1000 },
          ],
          getTracker: (request) => clientNetwork(request.ip, config.RATE_LIMIT_IPV6_PREFIX),
          // One budget per client over all routes.
          generateKey: (_context, client, name) => `${name}:${client}`,
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
