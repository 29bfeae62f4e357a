import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { CommonModule } from './common/common.module.js';
import type { Config } from './config/config.js';
import { DatabaseModule } from './database/database.module.js';
import { HealthModule } from './health/health.module.js';

@Module({})
export class AppModule {
  static forRoot(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        CommonModule.forRoot(config, logger),
        DatabaseModule.forRoot(config),
        HealthModule.forRoot(config),
      ],
    };
  }
}
