import { InjectFlowProducer, InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { FlowProducer, Queue } from 'bullmq';
import { meter } from '../common/telemetry/metrics.js';
import { inTime } from './job-options.js';
import { FLOWS, SYNC_QUEUE, TRACKING_SETUP_QUEUE } from './queue-names.js';

const STATES = ['waiting', 'delayed', 'active', 'waiting-children', 'failed'] as const;

/** Seconds. */
const DURATION_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** How long a job took, by queue, job and outcome: `done`, `later` (it said when), `again` (it is tried again), `failed`. */
export const jobDuration = meter.createHistogram('jobs.duration.seconds', {
  unit: 's',
  description: 'Duration of jobs, by outcome',
  advice: { explicitBucketBoundaries: DURATION_BUCKETS },
});

/** What waits in the queues, as every process sees it: take the maximum over them, and not the sum. */
@Injectable()
export class QueueMetrics implements OnModuleInit {
  private readonly logger = new Logger(QueueMetrics.name);
  private readonly queues: readonly Queue[];

  constructor(
    @InjectQueue(TRACKING_SETUP_QUEUE) setups: Queue,
    @InjectQueue(SYNC_QUEUE) syncs: Queue,
    @InjectFlowProducer(FLOWS) private readonly flows: FlowProducer,
  ) {
    this.queues = [setups, syncs];
  }

  onModuleInit(): void {
    // Without a listener BullMQ writes to the console.
    const warn = (error: Error) => this.logger.warn({ err: error }, 'the queue cannot be reached');
    for (const queue of this.queues) queue.on('error', warn);
    this.flows.on('error', warn);
    meter
      .createObservableGauge('jobs.queue.depth', {
        description: 'Jobs of a queue, by state; failed ones are dead letters',
      })
      .addCallback(async (result) => {
        for (const queue of this.queues) {
          const counts = await inTime(queue.getJobCounts(...STATES)).catch(() => undefined);
          for (const [state, count] of Object.entries(counts ?? {}))
            result.observe(count, { queue: queue.name, state });
        }
      });
    meter
      .createObservableGauge('jobs.queue.age.seconds', {
        unit: 's',
        description: 'How long the oldest job has waited',
      })
      .addCallback(async (result) => {
        for (const queue of this.queues) {
          const jobs = await inTime(queue.getJobs(['waiting'], 0, 0, true)).catch(() => undefined);
          if (jobs === undefined) continue;
          const since = jobs[0]?.timestamp;
          result.observe(since === undefined ? 0 : (Date.now() - since) / 1_000, { queue: queue.name });
        }
      });
  }
}
