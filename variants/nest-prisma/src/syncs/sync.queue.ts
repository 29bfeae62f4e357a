import { InjectQueue } from '@nestjs/bullmq';
import { Inject, Injectable } from '@nestjs/common';
import type { Job, Queue } from 'bullmq';
import { CONFIG } from '../common/config/config.module.js';
import type { Config } from '../config/config.js';
import type { GoogleConnection, SyncRun } from '../generated/prisma/client.js';
import { inTime, JOB_OPTIONS, payload } from '../jobs/job-options.js';
import { SYNC_QUEUE } from '../jobs/queue-names.js';

/** The jobs of syncs, and their schedules. Everything here throws where Valkey is away. */
@Injectable()
export class SyncQueue {
  constructor(
    @InjectQueue(SYNC_QUEUE) private readonly queue: Queue,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Adds the job of a run. One that is there already is not added again. */
  async add({
    id,
    organizationId,
    connectionId,
  }: Pick<SyncRun, 'id' | 'organizationId' | 'connectionId'>): Promise<void> {
    const data = payload('syncConnection', { organizationId, connectionId });
    await inTime(this.queue.add('syncConnection', data, { ...JOB_OPTIONS, jobId: jobOf(id) }));
  }

  /** The job of a run, where it has failed and will not run again. */
  async failedJob(runId: string): Promise<Job | undefined> {
    const job = await inTime(this.queue.getJob(jobOf(runId)));
    return job !== undefined && (await inTime(job.isFailed())) ? job : undefined;
  }

  /** Sees to it that these connections, and no others, are synced every SYNC_INTERVAL_SECONDS. */
  async schedule(connections: readonly Pick<GoogleConnection, 'id' | 'organizationId'>[]): Promise<void> {
    const every = this.config.SYNC_INTERVAL_SECONDS * 1_000;
    const schedulers = await inTime(this.queue.getJobSchedulers());
    const known = new Map(schedulers.map((scheduler) => [scheduler.key, scheduler.every]));
    for (const { id: connectionId, organizationId } of connections) {
      const isAsItShouldBe = known.get(connectionId) === every;
      known.delete(connectionId);
      if (isAsItShouldBe) continue;
      const data = payload('syncConnection', { organizationId, connectionId });
      const template = { name: 'syncConnection', data, opts: JOB_OPTIONS };
      await inTime(this.queue.upsertJobScheduler(connectionId, { every }, template));
    }
    for (const gone of known.keys()) await inTime(this.queue.removeJobScheduler(gone));
  }
}

function jobOf(runId: string): string {
  return `sync-${runId}`;
}
