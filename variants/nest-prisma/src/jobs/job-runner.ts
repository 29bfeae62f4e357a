import { Injectable, Logger } from '@nestjs/common';
import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import { requestContext } from '../common/logging/logger.js';
import { inTraceOf } from '../common/telemetry/continued-trace.js';
import { Database } from '../database/database.js';
import { DeadLetters } from '../dead-letters/dead-letters.service.js';
import type { AnyJob } from './job.contracts.js';
import { parseJob } from './job.contracts.js';
import { jobDuration } from './queue.metrics.js';
import { judge } from './verdict.js';

/** What the jobs of a queue do. Everything here runs in the scope of the job's organization. */
export interface JobHandler {
  /** May run several times for one job, also at once: a worker that dies or loses its lock has its job run again. */
  run(job: AnyJob): Promise<void>;
  /** It goes on later, and nobody needs to do anything. */
  postponed(job: AnyJob, until: Date): Promise<void>;
  /**
   * It has failed for good. Runs in the transaction that notes the dead letter.
   *
   * @param failure a stable code
   * @returns false if the failure does not count, since another worker has done the work meanwhile
   */
  failed(job: AnyJob, failure: string): Promise<boolean>;
}

/** Runs jobs, each on behalf of its organization and in the trace of whoever asked for it, and decides what follows. */
@Injectable()
export class JobRunner {
  private readonly logger = new Logger(JobRunner.name);

  constructor(
    private readonly database: Database,
    private readonly deadLetters: DeadLetters,
  ) {}

  /** @param token the lock that the worker holds on the job */
  async run(job: Job, token: string | undefined, handler: JobHandler): Promise<void> {
    const parsed = this.parse(job);
    const { organizationId, requestId = `job-${job.id}` } = parsed.data;
    await inTraceOf(parsed.data, `${job.queueName} ${job.name}`, () =>
      requestContext.run({ requestId }, () =>
        this.database.run({ organizationId, userId: null }, () => this.attempt(job, parsed, token, handler)),
      ),
    );
  }

  /** What breaks its contract, or names no organization, would not be better the next time. @throws UnrecoverableError */
  private parse(job: Job): AnyJob {
    try {
      return parseJob(job.name, job.data);
    } catch (error) {
      this.logger.error({ ...namesOf(job), reason: (error as Error).message }, 'job refused');
      throw withoutDetails(new UnrecoverableError((error as Error).message));
    }
  }

  private async attempt(
    job: Job,
    parsed: AnyJob,
    token: string | undefined,
    handler: JobHandler,
  ): Promise<void> {
    const started = performance.now();
    const finish = (outcome: string) => {
      const milliseconds = performance.now() - started;
      jobDuration.record(milliseconds / 1_000, { queue: job.queueName, job: job.name, outcome });
      return {
        ...namesOf(job),
        organizationId: parsed.data.organizationId,
        durationMs: Math.round(milliseconds),
      };
    };
    try {
      await handler.run(parsed);
      this.logger.log(finish('done'), 'job done');
    } catch (error) {
      const verdict = judge(error);
      if (verdict.kind === 'later') {
        this.logger.warn({ ...finish('later'), err: error, inMs: verdict.inMs }, 'job postponed');
        await handler.postponed(parsed, new Date(Date.now() + verdict.inMs)).catch(() => undefined);
        return postpone(job, token, verdict.inMs);
      }
      const isLast = verdict.kind === 'failed' || job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
      if (!isLast) {
        this.logger.warn({ ...finish('again'), err: error }, 'job failed, and is tried again');
        throw withoutDetails(new Error(verdict.failure));
      }
      this.logger.error({ ...finish('failed'), err: error, failure: verdict.failure }, 'job failed for good');
      await this.giveUp(job, parsed, token, handler, verdict.failure);
    }
  }

  /** Nobody hears of a failure that is not in the database: while that is away, the job is not over. */
  private async giveUp(
    job: Job,
    parsed: AnyJob,
    token: string | undefined,
    handler: JobHandler,
    failure: string,
  ): Promise<void> {
    let counts: boolean;
    try {
      counts = await this.database.transaction(async () => {
        if (!(await handler.failed(parsed, failure))) return false;
        await this.deadLetters.record(job.queueName, `${job.id}`, parsed, failure, job.attemptsMade + 1);
        return true;
      });
    } catch (error) {
      const verdict = judge(error);
      if (verdict.kind === 'later') return postpone(job, token, verdict.inMs);
      this.logger.error({ ...namesOf(job), err: error }, 'the failure of a job could not be stored');
      throw withoutDetails(new Error(verdict.failure));
    }
    if (counts) throw withoutDetails(new UnrecoverableError(failure));
  }
}

/**
 * BullMQ keeps message and stack of what a job throws in Valkey for weeks, and Bull Board shows them. The log has the details,
 * redacted; the message is a stable code.
 */
function withoutDetails<Thrown extends Error>(error: Thrown): Thrown {
  error.stack = `${error.name}: ${error.message}`;
  return error;
}

async function postpone(job: Job, token: string | undefined, milliseconds: number): Promise<never> {
  await job.moveToDelayed(Date.now() + milliseconds, token);
  throw new DelayedError();
}

function namesOf({ queueName: queue, name: job, id: jobId, attemptsMade }: Job) {
  return { queue, job, jobId, attempt: attemptsMade + 1 };
}
