import { register } from 'node:module';
import type { NodeSDK } from '@opentelemetry/sdk-node';

let sdk: NodeSDK | undefined;

/**
 * Starts tracing over HTTP, PostgreSQL and whatever else `instrumentations` names, exported as the `OTEL_*` variables say.
 * Everything is loaded here and not at the top, so that a service that exports nothing pays nothing.
 */
export async function startTracing(): Promise<void> {
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
  const [{ NodeSDK }, { HttpInstrumentation }, { PgInstrumentation }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/instrumentation-http'),
    import('@opentelemetry/instrumentation-pg'),
  ]);
  sdk = new NodeSDK({
    // Metrics go to /metrics (see metrics.ts), logs to stdout.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [new HttpInstrumentation(), new PgInstrumentation({ requireParentSpan: true })],
  });
  sdk.start();
}

/** Sends the spans that are still held back. */
export async function stopTracing(): Promise<void> {
  await sdk?.shutdown();
}
