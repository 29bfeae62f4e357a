import { context, propagation } from '@opentelemetry/api';
import type { JobsOptions } from 'bullmq';
import { requestContext } from '../common/logging/logger.js';
import { JOBS, type JobData, type JobName } from './job.contracts.js';

/** Jobs are tried for about half a minute; what says when to come back is not counted. See `JobRunner`. */
export const JOB_OPTIONS = {
  attempts: 6,
  backoff: { type: 'exponential', delay: 1_000, jitter: 0.5 },
  removeOnComplete: { age: 3_600, count: 1_000 },
  // The database keeps those that have failed for good; here they are for whoever looks at the board.
  removeOnFail: { age: 30 * 24 * 3_600, count: 10_000 },
} satisfies JobsOptions;

/** How long whoever adds a job waits for Valkey. What is not added is added again: see `Redelivery`. */
const ADDING_MS = 1_000;

/** A job's payload as its contract has it, with the request and the trace that it comes from. */
export function payload<Name extends JobName>(name: Name, data: JobData<Name>): object {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return JOBS[name].parse({ ...requestContext.getStore(), ...carrier, ...data });
}

/** BullMQ itself waits for Valkey for ever. @throws Error */
export async function inTime<Result>(adding: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the queue cannot be reached')), ADDING_MS);
  });
  try {
    return await Promise.race([adding, late]);
  } finally {
    clearTimeout(timer);
  }
}
