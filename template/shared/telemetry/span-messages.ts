import { ProxyTracerProvider, type Span, type Tracer, type TracerProvider, trace } from '@opentelemetry/api';

/**
 * Lets spans keep an error's status and drop its message. PostgreSQL's messages and those of drivers, ORMs and SDKs repeat
 * values (`invalid input syntax for type uuid: "..."`), and instrumentations copy them. The log describes the error, see logger.ts.
 */
export function dropSpanMessages(): void {
  const global = trace.getTracerProvider();
  if (global instanceof ProxyTracerProvider) global.setDelegate(withoutMessages(global.getDelegate()));
}

function withoutMessages(provider: TracerProvider): TracerProvider {
  const changed = new WeakSet<Tracer>();
  return {
    getTracer(...named) {
      const tracer = provider.getTracer(...named);
      if (changed.has(tracer)) return tracer;
      changed.add(tracer);
      const startSpan = tracer.startSpan.bind(tracer);
      return Object.assign(tracer, {
        startSpan: (...args: Parameters<Tracer['startSpan']>) => silence(startSpan(...args)),
      });
    },
  };
}

function silence(span: Span): Span {
  const setStatus = span.setStatus.bind(span);
  return Object.assign(span, {
    recordException: () => undefined,
    setStatus: ({ code }: Parameters<Span['setStatus']>[0]) => setStatus({ code }),
  });
}
