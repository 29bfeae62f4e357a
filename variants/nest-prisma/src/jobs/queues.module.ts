import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Redis } from 'ioredis';
import type { Config } from '../config/config.js';
import { QueueMetrics } from './queue.metrics.js';
import { FLOWS, SYNC_QUEUE, TRACKING_SETUP_QUEUE } from './queue-names.js';

/** The queues themselves. Who puts jobs in needs these; who runs them is `WorkerModule`. */
@Global()
@Module({})
export class QueuesModule {
  static forRoot({ REDIS_URL, REDIS_PREFIX }: Config): DynamicModule {
    return {
      module: QueuesModule,
      imports: [
        BullModule.forRootAsync({
          // A worker waits for ever, as BullMQ wants it; whoever adds a job while Valkey is away is told at once.
          useFactory: () => ({
            connection: new Redis(REDIS_URL, {
              maxRetriesPerRequest: null,
              enableOfflineQueue: false,
              lazyConnect: true,
            }),
            prefix: REDIS_PREFIX,
          }),
        }),
        BullModule.registerQueue({ name: TRACKING_SETUP_QUEUE }, { name: SYNC_QUEUE }),
        BullModule.registerFlowProducer({ name: FLOWS }),
      ],
      providers: [QueueMetrics],
      exports: [BullModule],
    };
  }
}
