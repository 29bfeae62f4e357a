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
  /** The run that a job works on: by the time that the job fails, the connection may have another one. */
  private readonly runs = new WeakMap<AnyJob, string>();

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

  async run(job: AnyJob): Promise<void> {
    const { name, data } = job;
    if (name !== 'syncConnection') throw new Error(`${name} is no job of this queue`);
    const run = await this.runner.begin(data.connectionId);
    this.runs.set(job, run.id);
    await this.runner.sync(run);
  }

  /** A run that goes on later is under way still. */
  async postponed(): Promise<void> {}

  async failed(job: AnyJob, failure: string): Promise<boolean> {
    const runId = this.runs.get(job);
    return runId === undefined || this.runner.fail(runId, failure);
  }

  @OnWorkerEvent('error')
  onError(error: Error): void {
    this.logger.warn({ err: error }, 'the queue cannot be reached');
  }

  async onModuleDestroy(): Promise<void> {
    await closeWorker(this.worker, this.connection);
  }
}
