import { Module } from '@nestjs/common';
import { ExportsModule } from '../exports/exports.module.js';
import { RemindersModule } from '../reminders/reminders.module.js';
import { TasksProcessor } from './tasks.processor.js';

/** Runs jobs: in the API's process, or in one of its own (`start:worker`). */
@Module({ imports: [ExportsModule, RemindersModule], providers: [TasksProcessor] })
export class WorkerModule {}
