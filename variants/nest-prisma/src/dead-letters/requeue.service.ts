import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { DeadLetter } from '../generated/prisma/client.js';
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
      return letter;
    });
  }
}
