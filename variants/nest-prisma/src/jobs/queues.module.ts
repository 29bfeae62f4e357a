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
        BullModule.forRootAsync({
          imports: [QueueConnectionModule],
          inject: [QUEUE_CONNECTION],
          useFactory: (connection: Redis) => ({ connection, prefix }),
        }),
        BullModule.registerQueue({ name: TRACKING_SETUP_QUEUE }, { name: SYNC_QUEUE }),
        BullModule.registerFlowProducer({ name: FLOWS }),
      ],
      providers: [QueueMetrics],
      exports: [BullModule],
    };
  }
}
