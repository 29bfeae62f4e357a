import { type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import pg from 'pg';
import { sqlState } from '../lib/errors/sql-state.js';
import { tracer } from '../lib/telemetry/tracing.js';

/** pg's own, which takes its arguments in five shapes: they are handed on as they are. */
const send = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown;

/** A connection whose statements are spans of the request that they are for. Values stay out. */
export class TracedClient extends pg.Client {
  override query(...args: never[]): never {
    if (trace.getActiveSpan()?.isRecording() !== true) return send.apply(this, args) as never;
    const span = tracer.startSpan(...spanOf(args[0]));
    const last: unknown = args.at(-1);
    if (typeof last === 'function') {
      const done = (error: unknown, result: unknown) => {
        end(span, error);
        last(error, result);
      };
      return send.apply(this, [...args.slice(0, -1), done]) as never;
    }
    const result: unknown = send.apply(this, args);
    if (result instanceof Promise)
      result.then(
        () => end(span),
        (error: unknown) => end(span, error),
      );
    else end(span);
    return result as never;
  }
}

function spanOf(query: unknown): Parameters<typeof tracer.startSpan> {
  const { text = '' } = typeof query === 'string' ? { text: query } : (query as { text?: string });
  const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'QUERY';
  const attributes = {
    'db.system.name': 'postgresql',
    'db.operation.name': operation,
    'db.query.text': text,
  };
  return [operation, { kind: SpanKind.CLIENT, attributes }];
}

function end(span: Span, error?: unknown): void {
  if (error) {
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.setAttribute('db.response.status_code', sqlState(error) ?? 'unknown');
  }
  span.end();
}
