import { ExpiryDatabase } from '@app/database';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { Cron, CronExpression } from '@nestjs/schedule';
import type { Config } from '../../config/config.js';
import { CONFIG } from '../config/config.module.js';

const DAY_MS = 86_400_000;

/** Longer than any event is delivered: streams keep them for a week. */
const INBOX_RETENTION_MS = 14 * DAY_MS;

/** Forgets what only had to be remembered for a while. */
@Injectable()
export class ExpiryJob {
  private readonly logger = new Logger(ExpiryJob.name);

  constructor(
    private readonly database: ExpiryDatabase,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Every process runs this; deleting what another has deleted does nothing. */
  @Cron(CronExpression.EVERY_HOUR)
  async forget(): Promise<void> {
    const before = (age: number) => new Date(Date.now() - age);
    try {
      const keyAge = this.config.IDEMPOTENCY_KEY_TTL_SECONDS * 1_000;
      const idempotencyKeys = await this.database.forget('idempotencyKeys', before(keyAge));
      const events = await this.database.forget('inbox', before(INBOX_RETENTION_MS));
      if (idempotencyKeys + events > 0)
        this.logger.log({ idempotencyKeys, events }, 'forgot what has expired');
    } catch (error) {
      this.logger.error({ err: error }, 'could not forget what has expired; the next run will');
    }
  }
}
