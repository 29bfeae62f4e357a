import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Inject, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { closeWorker } from '../jobs/close-worker.js';
import type { AnyJob } from '../jobs/job.contracts.js';
import { type JobHandler, JobRunner } from '../jobs/job-runner.js';
import { QUEUE_CONNECTION } from '../jobs/queue-connection.module.js';
import { TRACKING_SETUP_QUEUE } from '../jobs/queue-names.js';
import { WORKER_OPTIONS } from '../jobs/worker-options.js';
import { SetupRunner } from './setup-runner.js';

/** Runs the jobs of the `tracking-setup` queue. */
@Processor(TRACKING_SETUP_QUEUE, { ...WORKER_OPTIONS, concurrency: 10 })
export class TrackingSetupsProcessor extends WorkerHost implements JobHandler, OnModuleDestroy {
  private readonly logger = new Logger(TrackingSetupsProcessor.name);

  constructor(
    private readonly jobs: JobRunner,
    private readonly runner: SetupRunner,
    @Inject(QUEUE_CONNECTION) private readonly connection: Redis,
  ) {
    super();
  }

  async process(job: Job, token?: string): Promise<void> {
    await this.jobs.run(job, token, this);
  }

  async run({ name, data }: AnyJob): Promise<void> {
    if (name === 'setUpStep') await this.runner.advance(data);
    else if (name === 'compensateSetup') await this.runner.compensate(data);
    else throw new Error(`${name} is no job of this queue`);
  }

  async postponed({ data }: AnyJob, until: Date): Promise<void> {
    if ('setupId' in data) await this.runner.postpone(data, until);
  }

  async failed({ name, data }: AnyJob, failure: string): Promise<boolean> {
    if (name === 'setUpStep') return this.runner.fail(data, failure);
    return name === 'compensateSetup' ? this.runner.abandon(data) : true;
  }

  @OnWorkerEvent('error')
  onError(error: Error): void {
    this.logger.warn({ err: error }, 'the queue cannot be reached');
  }

  async onModuleDestroy(): Promise<void> {
    await closeWorker(this.worker, this.connection);
  }
}
