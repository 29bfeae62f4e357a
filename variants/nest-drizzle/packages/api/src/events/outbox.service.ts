import { outbox, RelayDatabase } from '@app/database';
import { type Envelope, type EventContract, subjectOf } from '@app/shared';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { context, propagation } from '@opentelemetry/api';
import { sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import { CONFIG } from '../common/config/config.module.js';
import { DatabaseService } from '../common/database/database.service.js';
import type { Config } from '../config/config.js';

/** How long to wait for more events before the relays are woken: one call then wakes them for all. */
const GATHER_MS = 5;

/**
 * Writes events in the transaction of what they tell of: either both are there, or neither. The relay publishes them
 * afterwards, at least once.
 */
@Injectable()
export class OutboxService {
  private readonly logger = new Logger(OutboxService.name);
  private readonly insert;
  private waking: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: DatabaseService,
    private readonly relays: RelayDatabase,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    const [tenantId, id] = [sql.placeholder('tenantId'), sql.placeholder('id')];
    const [subject, event] = [sql.placeholder('subject'), sql.placeholder('event')];
    this.insert = db.insert(outbox).values({ tenantId, id, subject, event }).prepare('outbox_insert');
  }

  /**
   * Call it inside `DatabaseService.transaction()`; the event is written with its COMMIT.
   *
   * @param data what the contract promises, and nothing else: members that it does not name are left out
   * @param about the id of what the event is about
   */
  add<Data extends z.ZodType>(contract: EventContract<Data>, data: z.input<Data>, about: string): void {
    const { tenantId } = this.db;
    const id = uuidv7();
    const carrier: { traceparent?: string } = {};
    propagation.inject(context.active(), carrier);
    const event: Envelope = {
      specversion: '1.0',
      id,
      source: `/${this.config.OTEL_SERVICE_NAME}`,
      type: `${contract.type}.v${contract.version}`,
      subject: about,
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      tenantid: tenantId,
      ...carrier,
      data: contract.data.parse(data),
    };
    const subject = subjectOf(contract, tenantId);
    this.db.atCommit(() => this.insert.execute({ tenantId, id, subject, event }));
    this.db.afterCommit(this.wakeSoon);
  }

  private readonly wakeSoon = (): void => {
    this.waking ??= setTimeout(() => {
      this.waking = undefined;
      this.relays.wake().catch((error: unknown) => {
        this.logger.warn({ err: error }, 'the relays were not woken; they look by themselves every second');
      });
    }, GATHER_MS).unref();
  };
}
