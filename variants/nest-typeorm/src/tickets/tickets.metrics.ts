import { meter } from '../common/telemetry/metrics.js';

/** Orders per transaction: how much the group commit saves. */
export const groupSize = meter.createHistogram('tickets.purchase.group.size', {
  description: 'Purchases that share a transaction',
  advice: { explicitBucketBoundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] },
});

export const ticketsSold = meter.createCounter('tickets.sold', {
  description: 'Tickets sold by this process',
});

export const refused = meter.createCounter('tickets.purchases.refused', {
  description: 'Purchases that were not granted, by the code of the problem',
});

/** Publishes how many purchases wait or are in a transaction. */
export function observeQueue(depth: () => number): void {
  meter
    .createObservableGauge('tickets.purchase.queue.depth', {
      description: 'Purchases that wait or are in a transaction',
    })
    .addCallback((result) => result.observe(depth()));
}
