import { ClientRequest, type IncomingMessage } from 'node:http';
import { register } from 'node:module';
import type { Span } from '@opentelemetry/api';
import type { NodeSDK } from '@opentelemetry/sdk-node';
import { dropSpanMessages } from './span-messages.[[ 'ts' if variant == 'next-supabase' else 'js' ]]';

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
    instrumentations: [
      new HttpInstrumentation({ requestHook: hideQuery }),
      new PgInstrumentation({ requireParentSpan: true }),
    ],
  });
  sdk.start();
  dropSpanMessages();
}

/** Sends the spans that are still held back. */
export async function stopTracing(): Promise<void> {
  await sdk?.shutdown();
}

/** Search texts and tokens travel in queries: spans show paths alone. */
function hideQuery(span: Span, request: ClientRequest | IncomingMessage): void {
  if (request instanceof ClientRequest) {
    const [path] = request.path.split('?', 1);
    span.setAttribute('url.full', `${request.protocol}//${request.host}${path}`);
  } else if (request.url?.includes('?')) {
    span.setAttribute('url.query', '[redacted]');
  }
}
