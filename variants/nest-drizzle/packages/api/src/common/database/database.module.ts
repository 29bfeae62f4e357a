import { createPool, ExpiryDatabase, IdentityDatabase, TenantDatabase } from '@app/database';
import {
  type DynamicModule,
  Global,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import type { Pool } from 'pg';
import type { Config } from '../../config/config.js';
import { DatabaseMetrics } from './database.metrics.js';
import { DatabaseService } from './database.service.js';
import { ExpiryJob } from './expiry.job.js';
import { POOL } from './pool.js';

@Global()
@Module({})
export class DatabaseModule implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  static forRoot(config: Config): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [ScheduleModule.forRoot()],
      providers: [
        { provide: POOL, useFactory: () => createPool(config, config.OTEL_SERVICE_NAME) },
        { provide: TenantDatabase, useFactory: (pool: Pool) => new TenantDatabase(pool), inject: [POOL] },
        { provide: IdentityDatabase, useFactory: (pool: Pool) => new IdentityDatabase(pool), inject: [POOL] },
        { provide: ExpiryDatabase, useFactory: (pool: Pool) => new ExpiryDatabase(pool), inject: [POOL] },
        DatabaseService,
        DatabaseMetrics,
        ExpiryJob,
      ],
      exports: [POOL, TenantDatabase, IdentityDatabase, DatabaseService],
    };
  }

  /** Stops the start where the database cannot be reached: a wrong URL is best noticed at once. */
  async onModuleInit(): Promise<void> {
    (await this.pool.connect()).release();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}
