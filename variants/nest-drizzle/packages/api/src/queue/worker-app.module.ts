import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { CommonModule } from '../common/common.module.js';
import { DatabaseModule } from '../common/database/database.module.js';
import type { Config } from '../config/config.js';
import { EventsModule } from '../events/events.module.js';
import { QueueModule } from './queue.module.js';
import { WorkerModule } from './worker.module.js';

@Module({})
export class WorkerAppModule {
  static forRoot(config: Config, logger: Logger): DynamicModule {
    return {
      module: WorkerAppModule,
      imports: [
        CommonModule.forRoot(config, logger),
        DatabaseModule.forRoot(config),
        EventsModule,
        QueueModule.forRoot(config),
        WorkerModule,
      ],
    };
  }
}
