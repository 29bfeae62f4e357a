import type { OutboxRow, Publication } from '@app/database';
import { errors, headers } from '@nats-io/transport-node';
import { Injectable, Logger } from '@nestjs/common';
import { failureReason } from '../../common/logging/failure-reason.js';
import type { EventPublisher } from '../publisher.js';
import { NatsService } from './nats.connection.js';

/** How long to wait for the acknowledgement of one event. */
const ACK_TIMEOUT_MS = 3_000;

/** Publishes to JetStream. An event has arrived when JetStream has acknowledged that it is stored. */
@Injectable()
export class NatsPublisher implements EventPublisher {
  private readonly logger = new Logger(NatsPublisher.name);

  constructor(private readonly nats: NatsService) {}

  async publish(rows: readonly OutboxRow[]): Promise<Publication> {
    const client = await this.nats.jetstream();
    const results = await Promise.allSettled(
      rows.map(async ({ subject, event }) => {
        const header = headers();
        header.set('content-type', 'application/cloudevents+json');
        header.set('tenant-id', event.tenantid);
        if (event.traceparent !== undefined) header.set('traceparent', event.traceparent);
        // Published twice, within the stream's window it is stored once.
        return client.publish(this.nats.subject(subject), JSON.stringify(event), {
          msgID: event.id,
          headers: header,
          timeout: ACK_TIMEOUT_MS,
        });
      }),
    );
    const outcomes = rows.map((row, index) => ({ row, result: results[index] }));
    const failed = results.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected')
      this.logger.warn({ err: failed.reason }, 'events were not acknowledged, and stay in the outbox');
    return {
      arrived: outcomes.filter(({ result }) => result?.status === 'fulfilled').map(({ row }) => row),
      // What NATS will never take, for instance as too large, must not be tried for ever.
      refused: outcomes.flatMap(({ row, result }) =>
        result?.status === 'rejected' && result.reason instanceof errors.InvalidArgumentError
          ? [{ row, reason: failureReason(result.reason) }]
          : [],
      ),
    };
  }
}
