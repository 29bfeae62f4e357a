import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

/**
 * Runs a function in a span that goes on with the trace of whoever caused it: of an event, or of a job.
 *
 * @param carrier holds W3C's `traceparent`, where there is one
 * @param name the span's
 */
export async function inTraceOf<Result>(
  carrier: { readonly traceparent?: string | undefined },
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const parent = propagation.extract(context.active(), carrier);
  const span = trace.getTracer('service').startSpan(name, { kind: SpanKind.CONSUMER }, parent);
  try {
    return await context.with(trace.setSpan(parent, span), work);
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}
