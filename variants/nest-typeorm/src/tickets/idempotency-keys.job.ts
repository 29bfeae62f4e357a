import { Injectable, Logger } from '@nestjs/common';
import { Cron, CronExpression } from '@nestjs/schedule';
import { TicketsRepository } from './tickets.repository.js';

/** How long a key is remembered at least. */
const RETENTION_MS = 24 * 60 * 60 * 1000;

@Injectable()
export class IdempotencyKeysJob {
  private readonly logger = new Logger(IdempotencyKeysJob.name);

  constructor(private readonly tickets: TicketsRepository) {}

  /** Every process runs this; deleting what another has deleted does nothing. */
  @Cron(CronExpression.EVERY_HOUR)
  async forgetOldKeys(): Promise<void> {
    try {
      const forgotten = await this.tickets.forgetKeysBefore(new Date(Date.now() - RETENTION_MS));
      if (forgotten > 0) this.logger.log({ forgotten }, 'forgot idempotency keys');
    } catch (error) {
      this.logger.error({ err: error }, 'could not forget idempotency keys; the next run will');
    }
  }
}
