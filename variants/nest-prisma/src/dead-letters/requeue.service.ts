import { InjectQueue } from '@nestjs/bullmq';
import { Injectable } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { Database } from '../database/database.js';
import type { DeadLetter } from '../generated/prisma/client.js';
import { inTime } from '../jobs/job-options.js';
import { SYNC_QUEUE, TRACKING_SETUP_QUEUE } from '../jobs/queue-names.js';
import { SyncsService } from '../syncs/syncs.service.js';
import { TrackingSetupsService } from '../tracking-setups/tracking-setups.service.js';
import { DeadLetters } from './dead-letters.service.js';

/** Puts jobs that have failed for good back: what they are about is begun anew. */
@Injectable()
export class RequeueService {
  constructor(
    private readonly database: Database,
    private readonly deadLetters: DeadLetters,
    private readonly setups: TrackingSetupsService,
    private readonly syncs: SyncsService,
    @InjectQueue(TRACKING_SETUP_QUEUE) private readonly setupQueue: Queue,
    @InjectQueue(SYNC_QUEUE) private readonly syncQueue: Queue,
  ) {}

  /**
   * @throws DeadLetterNotFoundError, DeadLetterRequeuedError
   * @throws TrackingSetupRunningError, TrackingAlreadySetUpError, ConnectionNotFoundError, ReconnectRequiredError
   */
  async requeue(id: string): Promise<DeadLetter> {
    return this.database.transaction(async () => {
      const letter = await this.deadLetters.take(id);
      if (letter.job === 'syncConnection') await this.syncs.start(letter.subjectId);
      else await this.setups.restart(letter.subjectId);
      await this.database.afterCommit(() => this.forget(letter));
      return letter;
    });
  }

  /** The job that has failed: what it was to do another one does. Should it stay, nothing comes of it. */
  private async forget({ queue: name, jobId }: DeadLetter): Promise<void> {
    const queue = name === TRACKING_SETUP_QUEUE ? this.setupQueue : this.syncQueue;
    await inTime(queue.remove(jobId)).catch(() => undefined);
  }
}
