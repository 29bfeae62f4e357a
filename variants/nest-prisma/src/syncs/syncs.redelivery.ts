import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { DeadLetters } from '../dead-letters/dead-letters.service.js';
import type { SyncRun } from '../generated/prisma/client.js';
import { parseJob } from '../jobs/job.contracts.js';
import { SyncQueue } from './sync.queue.js';
import { SyncRunner } from './sync-runner.js';

/** A run that has not moved for so long is looked at. */
const AFTER_MS = 30_000;
const AT_ONCE = 200;

type Stale = Pick<SyncRun, 'id' | 'organizationId' | 'connectionId' | 'updatedAt'>;

/** Adds the jobs of runs again that have not moved for a while, and keeps the schedules: see `Redelivery`. */
@Injectable()
export class SyncsRedelivery {
  constructor(
    private readonly database: Database,
    private readonly queue: SyncQueue,
    private readonly runner: SyncRunner,
    private readonly deadLetters: DeadLetters,
  ) {}

  /** @param after how long a run has not moved, in milliseconds */
  async redeliver(after = AFTER_MS): Promise<void> {
    const { stale, connections } = await this.database.run({ purpose: 'redelivery' }, async () => {
      const { syncRun, googleConnection } = this.database.client;
      return {
        connections: await googleConnection.findMany({ select: { id: true, organizationId: true } }),
        stale: await syncRun.findMany({
          where: { updatedAt: { lt: new Date(Date.now() - after) } },
          select: { id: true, organizationId: true, connectionId: true, updatedAt: true },
          orderBy: { updatedAt: 'asc' },
          take: AT_ONCE,
        }),
      };
    });
    await this.queue.schedule(connections);
    for (const run of stale) {
      await this.database.run({ organizationId: run.organizationId, userId: null }, () => this.resume(run));
    }
  }

  private async resume(run: Stale): Promise<void> {
    const failed = await this.queue.failedJob(run.id);
    if (failed !== undefined) {
      // Workers died of it until BullMQ gave it up.
      await this.database.transaction(async () => {
        if (!(await this.runner.fail(run.id, 'INTERNAL'))) return;
        const job = parseJob(failed.name, failed.data);
        await this.deadLetters.record(failed.queueName, `${failed.id}`, job, 'INTERNAL', failed.attemptsMade);
      });
      return;
    }
    await this.queue.add(run);
    await this.database.client.syncRun.updateMany({
      where: { id: run.id, updatedAt: run.updatedAt },
      data: { updatedAt: new Date() },
    });
  }
}
