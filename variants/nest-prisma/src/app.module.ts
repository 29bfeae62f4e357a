import { type DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { AnalyticsModule } from './analytics/analytics.module.js';
import { AuditLogModule } from './audit-log/audit-log.module.js';
import { AuthModule } from './auth/auth.module.js';
import { ChangesModule } from './common/changes/changes.module.js';
import { CommonModule } from './common/common.module.js';
import type { Config } from './config/config.js';
import { CustomersModule } from './customers/customers.module.js';
import { DatabaseModule } from './database/database.module.js';
import { DeadLettersModule } from './dead-letters/dead-letters.module.js';
import { GoogleModule } from './google/google.module.js';
import { HealthModule } from './health/health.module.js';
import { QueuesModule } from './jobs/queues.module.js';
import { WorkerModule } from './jobs/worker.module.js';
import { MembersModule } from './members/members.module.js';
import { OrganizationsModule } from './organizations/organizations.module.js';
import { SyncsModule } from './syncs/syncs.module.js';
import { TrackingSetupsModule } from './tracking-setups/tracking-setups.module.js';
import { TrackingsModule } from './trackings/trackings.module.js';

@Module({})
export class AppModule {
  static forRoot(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        // Its rate limit by address comes before authentication.
        CommonModule.forRoot(config, logger),
        DatabaseModule.forRoot(config),
        QueuesModule.forRoot(config),
        ChangesModule,
        AuditLogModule,
        AuthModule,
        HealthModule.forRoot(config),
        OrganizationsModule,
        MembersModule,
        CustomersModule,
        TrackingsModule,
        AnalyticsModule,
        GoogleModule,
        TrackingSetupsModule,
        SyncsModule,
        DeadLettersModule,
        ...(config.WORKER_IN_API ? [WorkerModule] : []),
      ],
    };
  }
}
