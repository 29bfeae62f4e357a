import { outbox } from '@app/database';
import { type Envelope, type EventContract, subjectOf } from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { context, propagation } from '@opentelemetry/api';
import { sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import { CONFIG } from '../common/config/config.module.js';
import { DatabaseService } from '../common/database/database.service.js';
import type { Config } from '../config/config.js';

/** Wakes the relays; see `RelayService`. */
export const OUTBOX_CHANNEL = 'outbox';

/**
 * Writes events in the transaction of what they tell of: either both are there, or neither. The relay publishes them
 * afterwards, at least once.
 */
@Injectable()
export class OutboxService {
  constructor(
    private readonly db: DatabaseService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Call it inside `DatabaseService.transaction()`.
   *
   * @param data what the contract promises, and nothing else: members that it does not name are left out
   * @param about the id of what the event is about
   */
  async add<Data extends z.ZodType>(
    contract: EventContract<Data>,
    data: z.input<Data>,
    about: string,
  ): Promise<void> {
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
    await Promise.all([
      this.db.insert(outbox).values({ tenantId, id, subject: subjectOf(contract, tenantId), event }),
      // Sent when the transaction commits, once however often it is called.
      this.db.execute(sql`SELECT pg_notify(${OUTBOX_CHANNEL}, '')`),
    ]);
  }
}
