import type { OutboxRow } from '@app/database';

/** Where the relay takes events. */
export interface EventPublisher {
  /**
   * Publishes events in order.
   *
   * @returns those that have certainly arrived; the others are published again
   */
  publish(rows: readonly OutboxRow[]): Promise<readonly OutboxRow[]>;
}

export const EVENT_PUBLISHER = Symbol('EVENT_PUBLISHER');
