import { meter } from '../../common/telemetry/metrics.js';

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Requests that were sent to Google, by `api`, `method` and `outcome`. */
export const requestDuration = meter.createHistogram('google.client.request.duration.seconds', {
  unit: 's',
  description: 'Duration of requests to Google',
  advice: { explicitBucketBoundaries: SECONDS },
});

export const retries = meter.createCounter('google.client.retries', {
  description: 'Requests to Google that were sent again',
});

export const quotaWait = meter.createHistogram('google.client.quota.wait.seconds', {
  unit: 's',
  description: 'Time that calls waited for their turn in the quota',
  advice: { explicitBucketBoundaries: SECONDS },
});

export const circuitState = meter.createObservableGauge('google.client.circuit.state', {
  description: 'Circuit breakers: 0 closed, 1 open, 2 half open',
});
