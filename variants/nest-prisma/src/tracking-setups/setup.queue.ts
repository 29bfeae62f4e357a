import { InjectFlowProducer, InjectQueue } from '@nestjs/bullmq';
import { Inject, Injectable } from '@nestjs/common';
import type { FlowJob, FlowProducer, Job, Queue } from 'bullmq';
import type { TrackingSetup } from '../generated/prisma/client.js';
import type { SetupStatus, SetupStep } from '../generated/prisma/enums.js';
import { inTime, JOB_OPTIONS, payload } from '../jobs/job-options.js';
import { FLOWS, TRACKING_SETUP_QUEUE } from '../jobs/queue-names.js';
import { inOrder, type SetupStepHandler } from './steps/setup-step.js';
import { SETUP_STEPS } from './steps/setup-steps.js';

type Attempt = Pick<TrackingSetup, 'id' | 'organizationId' | 'attempt' | 'operation'>;

/**
 * The jobs of operations. Their ids are made of the operation, its attempt and the step: adding what is there already changes
 * nothing. Everything here throws where Valkey is away.
 */
@Injectable()
export class SetupQueue {
  constructor(
    @InjectFlowProducer(FLOWS) private readonly flows: FlowProducer,
    @InjectQueue(TRACKING_SETUP_QUEUE) private readonly queue: Queue,
    @Inject(SETUP_STEPS) private readonly steps: readonly SetupStepHandler[],
  ) {}

  /** A job for each step, which waits for that of the step before. */
  async add(setup: Attempt): Promise<void> {
    const flow = inOrder(this.steps, setup.operation).reduce<FlowJob | undefined>(
      (before, { step }) => ({
        ...this.job(setup, step),
        ...(before !== undefined && { children: [before] }),
      }),
      undefined,
    );
    if (flow !== undefined) await inTime(this.flows.add(flow));
  }

  /** A job that takes back what the steps have done. */
  async addCompensation(setup: Attempt): Promise<void> {
    const { id: setupId, organizationId, attempt } = setup;
    const data = payload('compensateSetup', { organizationId, setupId, attempt });
    const jobId = compensationOf(setup);
    await inTime(this.queue.add('compensateSetup', data, { ...JOB_OPTIONS, jobId }));
  }

  /** The job that has failed, and will not run again: of the compensation where the set-up is that far, else of a step. */
  async failedJob(setup: Attempt & { readonly status: SetupStatus }): Promise<Job | undefined> {
    const ids =
      setup.status === 'COMPENSATING'
        ? [compensationOf(setup)]
        : this.steps.map(({ step }) => idOf(setup, step));
    for (const id of ids) {
      const job = await inTime(this.queue.getJob(id));
      if (job !== undefined && (await inTime(job.isFailed()))) return job;
    }
    return undefined;
  }

  /** Removes the jobs that wait for one that has failed, and would wait for ever. */
  async removeWaiting(setup: Attempt): Promise<void> {
    for (const { step } of inOrder(this.steps, setup.operation).toReversed()) {
      const job = await this.queue.getJob(idOf(setup, step));
      if ((await job?.isWaitingChildren()) === true) await job?.remove({ removeChildren: false });
    }
  }

  private job(setup: Attempt, step: SetupStep): FlowJob {
    const { id: setupId, organizationId, attempt } = setup;
    return {
      name: 'setUpStep',
      queueName: TRACKING_SETUP_QUEUE,
      data: payload('setUpStep', { organizationId, setupId, attempt, step }),
      opts: { ...JOB_OPTIONS, jobId: idOf(setup, step) },
    };
  }
}

function idOf({ id, attempt }: Pick<Attempt, 'id' | 'attempt'>, step: SetupStep): string {
  return `${id}-${attempt}-${step.toLowerCase()}`;
}

function compensationOf({ id, attempt }: Pick<Attempt, 'id' | 'attempt'>): string {
  return `${id}-${attempt}-compensate`;
}
