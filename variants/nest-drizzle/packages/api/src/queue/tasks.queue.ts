import { JOBS, type JobData, type JobName } from '@app/shared';
import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { context, propagation } from '@opentelemetry/api';
import type { JobsOptions, Queue } from 'bullmq';
import { meter } from '../common/telemetry/metrics.js';
import { OutageError } from '../events/event-handler.js';

export const TASKS_QUEUE = 'tasks';

const STATES = ['waiting', 'delayed', 'active', 'failed'] as const;

/** Puts jobs into the queue. Call it from a handler of events, so that no job is lost between a commit and the queue. */
@Injectable()
export class TasksQueue implements OnModuleInit {
  constructor(@InjectQueue(TASKS_QUEUE) private readonly queue: Queue) {}

  onModuleInit(): void {
    meter
      .createObservableGauge('jobs.queue.depth', {
        description: 'Jobs of the queue, by state; failed ones are the dead letters',
      })
      .addCallback(async (result) => {
        const counts = await this.queue.getJobCounts(...STATES).catch(() => undefined);
        for (const state of STATES) {
          const count = counts?.[state];
          if (count !== undefined) result.observe(count, { state });
        }
      });
    meter
      .createObservableGauge('jobs.queue.age.seconds', {
        unit: 's',
        description: 'How long the oldest job has waited',
      })
      .addCallback(async (result) => {
        const [oldest] = await this.queue.getJobs(['waiting'], 0, 0, true).catch(() => []);
        result.observe(oldest === undefined ? 0 : (Date.now() - oldest.timestamp) / 1_000);
      });
  }

  /**
   * Adds a job.
   *
   * @param id adding a job whose id the queue knows changes nothing
   * @throws OutageError
   */
  async add<Name extends JobName>(
    name: Name,
    data: JobData<Name>,
    id: string,
    options?: JobsOptions,
  ): Promise<void> {
    const carrier: { traceparent?: string } = {};
    propagation.inject(context.active(), carrier);
    const job = JOBS[name].parse({ ...data, ...carrier });
    const settings = {
      jobId: `${name}-${id}`,
      attempts: 5,
      backoff: { type: 'exponential', delay: 1_000, jitter: 0.5 },
      removeOnComplete: { age: 24 * 3_600, count: 10_000 },
      removeOnFail: false,
      ...options,
    };
    try {
      await this.queue.add(name, job, settings);
    } catch (cause) {
      throw new OutageError('the queue cannot be reached', { cause });
    }
  }
}
