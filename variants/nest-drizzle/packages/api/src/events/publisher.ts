import type { OutboxRow, Publication } from '@app/database';

/** Where the relay takes events. */
export interface EventPublisher {
  /**
   * Publishes events in order.
   *
   * @returns those that have certainly arrived, and those that were refused for a reason of their own; the others wait
   */
  publish(rows: readonly OutboxRow[]): Promise<Publication>;
}

export const EVENT_PUBLISHER = Symbol('EVENT_PUBLISHER');
