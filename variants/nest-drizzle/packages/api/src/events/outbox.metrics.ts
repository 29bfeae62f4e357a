import { RelayDatabase } from '@app/database';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { BatchObservableResult } from '@opentelemetry/api';
import { meter } from '../common/telemetry/metrics.js';

/** What waits in the outbox: of all processes together, since they share it. */
@Injectable()
export class OutboxMetrics implements OnModuleInit {
  constructor(private readonly database: RelayDatabase) {}

  onModuleInit(): void {
    const waiting = meter.createObservableGauge('outbox.events.waiting', {
      description: 'Events that wait to be published',
    });
    const age = meter.createObservableGauge('outbox.events.age.seconds', {
      unit: 's',
      description: 'How long the oldest event has waited',
    });
    const dead = meter.createObservableGauge('outbox.events.dead', {
      description: 'Events that were refused for good; the outbox keeps them, with the reason',
    });
    const observe = async (result: BatchObservableResult): Promise<void> => {
      const backlog = await this.database.backlog().catch(() => undefined);
      if (backlog === undefined) return; // the database is away, which other figures tell
      result.observe(waiting, backlog.events);
      result.observe(age, backlog.ageSeconds);
      result.observe(dead, backlog.dead);
    };
    meter.addBatchObservableCallback(observe, [waiting, age, dead]);
  }
}
