import { TenantDatabase } from '@app/database';
import { JOBS, type JobData } from '@app/shared';
import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Logger } from '@nestjs/common';
import { type Job, UnrecoverableError } from 'bullmq';
import { issuesOf, withoutInput } from '../common/logging/failure-reason.js';
import { inTraceOf } from '../common/telemetry/continued-trace.js';
import { ExportsService } from '../exports/exports.service.js';
import { RemindersService } from '../reminders/reminders.service.js';
import { TASKS_QUEUE } from './tasks.queue.js';

/**
 * Runs the jobs of the `tasks` queue, each on behalf of its tenant. The queue delivers at least once (a worker that dies
 * or loses its lock has its job run again), so each of these can be repeated.
 */
@Processor(TASKS_QUEUE, { concurrency: 5 })
export class TasksProcessor extends WorkerHost {
  private readonly logger = new Logger(TasksProcessor.name);

  constructor(
    private readonly tenants: TenantDatabase,
    private readonly exports: ExportsService,
    private readonly reminders: RemindersService,
  ) {
    super();
  }

  async process(job: Job): Promise<void> {
    await inTraceOf(job.data ?? {}, `${TASKS_QUEUE} ${job.name}`, async () => {
      await this.run(job).catch((error: unknown) => {
        throw withoutInput(error); // the queue stores message and stack
      });
      this.logger.log({ job: job.name, jobId: job.id, attempt: job.attemptsMade + 1 }, 'job done');
    });
  }

  @OnWorkerEvent('failed')
  async onFailed(job: Job | undefined, error: Error): Promise<void> {
    const isLast =
      job !== undefined &&
      (error instanceof UnrecoverableError || job.attemptsMade >= (job.opts.attempts ?? 1));
    this.logger.error({ err: error, job: job?.name, jobId: job?.id, isLast }, 'job failed');
    if (!isLast || job.name !== 'exportProject') return;
    const { success, data } = JOBS.exportProject.safeParse(job.data);
    if (!success) return;
    await this.tenants
      .run(data, () => this.exports.fail(data.exportId))
      .catch((err: unknown) => this.logger.error({ err, jobId: job.id }, 'export not marked as failed'));
  }

  @OnWorkerEvent('error')
  onError(error: Error): void {
    this.logger.warn({ err: error }, 'the queue cannot be reached');
  }

  private async run(job: Job): Promise<void> {
    if (job.name === 'exportProject') {
      const data = parse('exportProject', job);
      await this.tenants.run(data, () => this.exports.make(data.exportId));
    } else if (job.name === 'remindOfTask') {
      const data = parse('remindOfTask', job);
      await this.tenants.run(data, () => this.reminders.remind(data.taskId, new Date(data.dueAt)));
    } else {
      throw new UnrecoverableError(`there is no job ${job.name}`);
    }
  }
}

/** What a job carries; one that breaks its contract, or names no tenant, would not be better the next time. */
function parse<Name extends keyof typeof JOBS>(name: Name, { data }: Job): JobData<Name> {
  const result = JOBS[name].safeParse(data);
  if (!result.success) throw new UnrecoverableError(`${name}: ${issuesOf(result.error)}`);
  return result.data as JobData<Name>;
}
