import { processWide } from '@/lib/process-wide';
import { meter } from '@/lib/telemetry/metrics';

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const duration = meter.createHistogram('integration.client.request.duration.seconds', {
  unit: 's',
  description: 'Duration of requests to external services, by service, operation and outcome',
  advice: { explicitBucketBoundaries: SECONDS },
});

/** What has become of the requests to one external service since the process started. */
export interface IntegrationTotals {
  calls: number;
  errors: number;
  /** Seconds, of all calls together. */
  seconds: number;
}

/** By the service's name. */
export const integrationTotals = () =>
  processWide('integrations', () => new Map<string, IntegrationTotals>());

/** Counts one request that was sent. Whoever asked may leave before the end: that is no error of the service. */
export function recordCall(call: {
  readonly service: string;
  readonly operation: string;
  readonly outcome: string;
  readonly seconds: number;
}): void {
  const { service, operation, outcome, seconds } = call;
  duration.record(seconds, { service, operation, outcome });
  const totals = integrationTotals().get(service) ?? { calls: 0, errors: 0, seconds: 0 };
  totals.calls++;
  if (outcome !== 'OK' && outcome !== 'ABANDONED') totals.errors++;
  totals.seconds += seconds;
  integrationTotals().set(service, totals);
}
