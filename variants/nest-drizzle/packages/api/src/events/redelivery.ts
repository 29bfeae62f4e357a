import { meter } from '../common/telemetry/metrics.js';
import { isOutage, UnusableEventError } from './inbox.service.js';

/** How long to wait before an event is handled again that has failed. After the last, it is a dead letter. */
const DELAYS_MS = [500, 2_000, 10_000, 60_000];

/** For events that wait for what is away, and for as long as it is. */
const OUTAGE_DELAY_MS = 30_000;

/**
 * When to handle an event again.
 *
 * @param error why it could not be handled
 * @param deliveries how often it was delivered by now
 * @returns milliseconds; undefined where it is to be given up
 */
export function redeliveryDelay(error: unknown, deliveries: number): number | undefined {
  if (error instanceof UnusableEventError) return undefined;
  return DELAYS_MS[deliveries - 1] ?? (isOutage(error) ? OUTAGE_DELAY_MS : undefined);
}

export const handled = meter.createCounter('events.handled', {
  description: 'Events that had their effect, by consumer',
});
export const deadLetters = meter.createCounter('events.dead_letters', {
  description: 'Events given up, by consumer',
});
