import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { AuditLogModule } from './audit-log/audit-log.module.js';
import { ChangesModule } from './common/changes/changes.module.js';
import { CommonModule } from './common/common.module.js';
import type { Config } from './config/config.js';
import { DatabaseModule } from './database/database.module.js';
import { DeadLettersModule } from './dead-letters/dead-letters.module.js';
import { QueuesModule } from './jobs/queues.module.js';
import { WorkerModule } from './jobs/worker.module.js';

/** What a worker in a process of its own consists of. It serves no requests, so the controllers of these are never called. */
@Module({})
export class WorkerAppModule {
  static forRoot(config: Config, logger: Logger): DynamicModule {
    return {
      module: WorkerAppModule,
      imports: [
        CommonModule.forRoot(config, logger),
        DatabaseModule.forRoot(config),
        QueuesModule.forRoot(config),
        AuditLogModule,
        ChangesModule,
        DeadLettersModule,
        WorkerModule,
      ],
    };
  }
}
