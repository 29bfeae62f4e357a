import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import { defaultResource } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
[%- if variant == 'next-supabase' %]
import { processWide } from '../process-wide.js';
[%- endif %]

/** Seconds; the boundaries that OpenTelemetry's HTTP conventions advise for request durations. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

[% if variant == 'next-supabase' -%]
// The server, instrumentation.ts and the handlers are bundled apart, and all measure the same process.
const reader = processWide('metrics.reader', () => new PrometheusExporter({ preventServerStart: true }));
[% else -%]
const reader = new PrometheusExporter({ preventServerStart: true });
[% endif -%]
const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
[%- if variant == 'next-supabase' %]
const provider = processWide(
  'metrics.provider',
  () => new MeterProvider({ resource: defaultResource(), readers: [reader] }),
);
[%- else %]
const provider = new MeterProvider({ resource: defaultResource(), readers: [reader] });
[%- endif %]

/** Makes the service's instruments. Metrics are always on: Prometheus reads them at `/metrics`. */
export const meter = provider.getMeter('service');

/**
 * `http.server.request.duration` of OpenTelemetry's conventions for HTTP servers. The exporter does not append the unit
 * as its specification has it, so the name carries it here.
 */
export const requestDuration = meter.createHistogram('http.server.request.duration.seconds', {
  unit: 's',
  description: 'Duration of HTTP server requests',
  advice: { explicitBucketBoundaries: DURATION_BUCKETS },
});

/** Adds event loop, garbage collection and heap metrics of Node. */
export function observeRuntime(): void {
  new RuntimeNodeInstrumentation().setMeterProvider(provider);
}

/** All metrics in Prometheus's text format. */
export async function renderMetrics(): Promise<string> {
  const { resourceMetrics } = await reader.collect();
  return serializer.serialize(resourceMetrics);
}
