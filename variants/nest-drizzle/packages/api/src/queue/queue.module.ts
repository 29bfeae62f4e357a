import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Redis } from 'ioredis';
import type { Config } from '../config/config.js';
import { TASKS_QUEUE, TasksQueue } from './tasks.queue.js';

/** The queue itself. Who puts jobs in needs this; who runs them is `WorkerModule`. */
@Global()
@Module({})
export class QueueModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: QueueModule,
      imports: [
        BullModule.forRootAsync({
          // A worker waits for ever, as BullMQ wants it; whoever adds a job while Valkey is away is told at once.
          useFactory: () => ({
            connection: new Redis(config.REDIS_URL, {
              maxRetriesPerRequest: null,
              enableOfflineQueue: false,
            }),
            prefix: config.QUEUE_PREFIX,
          }),
        }),
        BullModule.registerQueue({ name: TASKS_QUEUE }),
      ],
      providers: [TasksQueue],
      exports: [BullModule, TasksQueue],
    };
  }
}
