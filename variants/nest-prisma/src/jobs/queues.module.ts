import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { Config } from '../config/config.js';
import { QueueMetrics } from './queue.metrics.js';
import { QUEUE_CONNECTION, QueueConnectionModule } from './queue-connection.module.js';
import { FLOWS, SYNC_QUEUE, TRACKING_SETUP_QUEUE } from './queue-names.js';

/** The queues themselves. Who puts jobs in needs these; who runs them is `WorkerModule`. */
@Global()
@Module({})
export class QueuesModule {
  static forRoot({ REDIS_PREFIX: prefix }: Config): DynamicModule {
    return {
      module: QueuesModule,
      imports: [
        QueueConnectionModule,
        BullModule.forRootAsync({
          imports: [QueueConnectionModule],
          inject: [QUEUE_CONNECTION],
          useFactory: (connection: Redis) => ({ connection, prefix }),
        }),
        BullModule.registerQueue({ name: TRACKING_SETUP_QUEUE }, { name: SYNC_QUEUE }),
        // The connection is ended by its module; the package would wait for Valkey to be back first.
        BullModule.registerFlowProducer({ name: FLOWS, forceDisconnectOnShutdown: false }),
      ],
      providers: [QueueMetrics],
      exports: [BullModule, QueueConnectionModule],
    };
  }
}
