import { Injectable, Logger } from '@nestjs/common';
import { Database } from '../database/database.js';
import { DeadLetters } from '../dead-letters/dead-letters.service.js';
import type { TrackingSetup } from '../generated/prisma/client.js';
import { parseJob } from '../jobs/job.contracts.js';
import { SetupQueue } from './setup.queue.js';
import { SetupRunner } from './setup-runner.js';

/** A set-up that has not moved for so long is looked at. */
const AFTER_MS = 30_000;
const AT_ONCE = 200;

const SHOWN = {
  id: true,
  organizationId: true,
  operation: true,
  attempt: true,
  status: true,
  updatedAt: true,
} as const;

type Stale = Pick<TrackingSetup, keyof typeof SHOWN>;

/** Adds the jobs of set-ups again that have not moved for a while: see `Redelivery`. */
@Injectable()
export class SetupsRedelivery {
  private readonly logger = new Logger(SetupsRedelivery.name);

  constructor(
    private readonly database: Database,
    private readonly queue: SetupQueue,
    private readonly runner: SetupRunner,
    private readonly deadLetters: DeadLetters,
  ) {}

  /** @param after how long a set-up has not moved, in milliseconds */
  async redeliver(after = AFTER_MS): Promise<void> {
    const stale = await this.database.run({ purpose: 'redelivery' }, () =>
      this.database.client.trackingSetup.findMany({
        where: { updatedAt: { lt: new Date(Date.now() - after) } },
        select: SHOWN,
        orderBy: { updatedAt: 'asc' },
        take: AT_ONCE,
      }),
    );
    for (const setup of stale) {
      await this.database.run({ organizationId: setup.organizationId, userId: null }, () =>
        this.resume(setup),
      );
    }
  }

  private async resume(setup: Stale): Promise<void> {
    const { id, attempt, status, updatedAt } = setup;
    const failed = await this.queue.failedJob(setup);
    if (failed !== undefined) {
      // Workers died of it until BullMQ gave it up: nobody could tell what became of it.
      await this.database.transaction(async () => {
        const counts =
          status === 'COMPENSATING'
            ? await this.runner.abandon({ setupId: id, attempt })
            : await this.runner.fail({ setupId: id, attempt }, 'INTERNAL');
        if (!counts) return;
        const job = parseJob(failed.name, failed.data);
        await this.deadLetters.record(failed.queueName, `${failed.id}`, job, 'INTERNAL', failed.attemptsMade);
      });
      return;
    }
    if (status === 'COMPENSATING') await this.queue.addCompensation(setup);
    else await this.queue.add(setup);
    this.logger.log({ setupId: id, status }, 'looked after a set-up that does not move');
    // To the end of the line: those that wait for good reason keep no others from being looked at.
    await this.database.client.trackingSetup.updateMany({
      where: { id, updatedAt },
      data: { updatedAt: new Date() },
    });
  }
}
