import { trace } from '@opentelemetry/api';
import { dropSpanMessages } from './span-messages.js';

/** Makes the service's spans. Until `startTracing` they are nobody's, and cost next to nothing. */
export const tracer = trace.getTracer('service');

let stop: (() => Promise<void>) | undefined;

/**
 * Starts to export spans as the `OTEL_*` variables say. Instrumentation that patches modules while Node loads them has no hold on
 * Bun: requests, statements and calls to providers make their spans themselves (`request-context.ts`, `traced-client.ts`,
 * `answer.ts`). Everything is loaded here and not at the top, so that a service that exports nothing pays nothing.
 */
export async function startTracing(): Promise<void> {
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  // Metrics go to /metrics (see metrics.ts), logs to stdout.
  const sdk = new NodeSDK({ metricReaders: [], logRecordProcessors: [], instrumentations: [] });
  sdk.start();
  dropSpanMessages();
  stop = () => sdk.shutdown();
}

/** Sends the spans that are still held back. */
export async function stopTracing(): Promise<void> {
  await stop?.();
}
