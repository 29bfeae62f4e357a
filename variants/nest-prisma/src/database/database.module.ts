import {
  type DynamicModule,
  Global,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { Config } from '../config/config.js';
import { Database } from './database.js';
import { DatabaseMetrics } from './database.metrics.js';
import { createPool } from './pool.js';
import { createPrismaClient, type IsolatedClient } from './prisma-client.js';
import { ScopedPool } from './scoped-pool.js';

const CLIENT = Symbol('CLIENT');

@Global()
@Module({})
export class DatabaseModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    @Inject(CLIENT) private readonly client: IsolatedClient,
    private readonly pool: ScopedPool,
  ) {}

  static forRoot(config: Config): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [
        { provide: ScopedPool, useFactory: () => createPool(config) },
        { provide: CLIENT, inject: [ScopedPool], useFactory: createPrismaClient },
        {
          provide: Database,
          inject: [CLIENT],
          useFactory: (client: IsolatedClient) =>
            new Database(client, {
              maxWait: config.DATABASE_CONNECT_TIMEOUT_MS,
              timeout: config.DATABASE_TRANSACTION_TIMEOUT_MS,
            }),
        },
        DatabaseMetrics,
      ],
      exports: [Database, ScopedPool],
    };
  }

  /** Stops the start where the database cannot be reached: a wrong URL is best noticed at once. */
  async onModuleInit(): Promise<void> {
    await this.pool.ping();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.client.$disconnect();
    await this.pool.end();
  }
}
