import { type DynamicModule, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import type { Config } from '../config/config.js';
import { dependencies } from './dependencies.js';
import { HealthController } from './health.controller.js';

@Module({})
export class HealthModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: HealthModule,
      // On SIGTERM readiness turns 503 at once, and the server goes on answering for this long.
      imports: [
        TerminusModule.forRoot({ logger: false, gracefulShutdownTimeoutMs: config.SHUTDOWN_DRAIN_MS }),
      ],
      controllers: [HealthController],
      providers: [dependencies],
    };
  }
}
