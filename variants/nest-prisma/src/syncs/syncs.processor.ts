import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Inject, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { closeWorker } from '../jobs/close-worker.js';
import type { AnyJob } from '../jobs/job.contracts.js';
import { type JobHandler, JobRunner } from '../jobs/job-runner.js';
import { QUEUE_CONNECTION } from '../jobs/queue-connection.module.js';
import { SYNC_QUEUE } from '../jobs/queue-names.js';
import { WORKER_OPTIONS } from '../jobs/worker-options.js';
import { SyncRunner } from './sync-runner.js';

/** Runs the jobs of the `sync` queue. */
@Processor(SYNC_QUEUE, { ...WORKER_OPTIONS, concurrency: 3 })
export class SyncsProcessor extends WorkerHost implements JobHandler, OnModuleDestroy {
  private readonly logger = new Logger(SyncsProcessor.name);

  constructor(
    private readonly jobs: JobRunner,
    private readonly runner: SyncRunner,
    @Inject(QUEUE_CONNECTION) private readonly connection: Redis,
  ) {
    super();
  }

  async process(job: Job, token?: string): Promise<void> {
    await this.jobs.run(job, token, this);
  }

  async run({ name, data }: AnyJob): Promise<void> {
    if (name !== 'syncConnection') throw new Error(`${name} is no job of this queue`);
    await this.runner.sync(data.connectionId);
  }

  /** A run that goes on later is under way still. */
  async postponed(): Promise<void> {}

  async failed({ data }: AnyJob, failure: string): Promise<void> {
    if ('connectionId' in data) await this.runner.fail(data.connectionId, failure);
  }

  @OnWorkerEvent('error')
  onError(error: Error): void {
    this.logger.warn({ err: error }, 'the queue cannot be reached');
  }

  async onModuleDestroy(): Promise<void> {
    await closeWorker(this.worker, this.connection);
  }
}
