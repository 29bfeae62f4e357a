import { EventEmitter } from 'node:events';
import type { OutboxRow } from '@app/database';
import { Injectable } from '@nestjs/common';
import type { EventPublisher } from './publisher.js';

/** Hands events to listeners of this process. One that throws gets the event again. */
@Injectable()
export class InProcessPublisher implements EventPublisher {
  readonly events = new EventEmitter();

  async publish(rows: readonly OutboxRow[]): Promise<readonly OutboxRow[]> {
    for (const { event } of rows) this.events.emit(event.type, event);
    return rows;
  }
}
