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
          // Workers wait for ever, as BullMQ wants it; commands of the API fail at once while Valkey is away.
          useFactory: () => ({
            connection: new Redis(config.REDIS_URL, { maxRetriesPerRequest: null, lazyConnect: true }),
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
