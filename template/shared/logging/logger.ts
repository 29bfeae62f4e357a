import { AsyncLocalStorage } from 'node:async_hooks';
import { trace } from '@opentelemetry/api';
import { type Logger, pino } from 'pino';
[%- if variant == 'next-supabase' %]
import { processWide } from '../process-wide.js';
[%- endif %]

/** Members that never reach the log, whether they stand in a logged object or in a member of one. */
const SECRETS = ['authorization', 'cookie', 'set-cookie', 'password', 'token', 'secret', 'email'];

/** The request that is being served: every line that is written meanwhile carries its id. */
[% if variant == 'next-supabase' -%]
export const requestContext = processWide(
  'request',
  () => new AsyncLocalStorage<{ readonly requestId: string }>(),
);
[%- else -%]
export const requestContext = new AsyncLocalStorage<{ readonly requestId: string }>();
[%- endif %]

/** The service's logger: JSON lines with the ids of the request and the trace that are running, readable text in development. */
export function createLogger(config: { readonly LOG_LEVEL: string; readonly NODE_ENV: string }): Logger {
  return pino({
    level: config.LOG_LEVEL,
    redact: {
      paths: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`]),
      censor: '[redacted]',
    },
    serializers: { err: describeError },
    mixin: () => {
      const span = trace.getActiveSpan()?.spanContext();
      return {
        ...requestContext.getStore(),
        ...(span !== undefined && { traceId: span.traceId, spanId: span.spanId }),
      };
    },
    ...(config.NODE_ENV === 'development' &&
      isInstalled('pino-pretty') && {
        transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', singleLine: true } },
      }),
  });
}

/**
 * What the log tells of an error. Drivers and ORMs add what was stored or asked for to their errors (`params`, `detail`, a
 * message that repeats them), and users have written that: it stays out, as does every member that is not named here.
 */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const {
    name,
    message,
    stack = '',
    cause,
    code,
    query,
  } = error as Error & { code?: unknown; query?: unknown };
  const frames = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : stack;
  return {
    type: name,
    message: typeof query === 'string' ? `Failed query: ${query}` : message,
    stack: frames.split('\n').filter((line) => /^\s+at /.test(line)),
    ...(code !== undefined && { code }),
    ...(cause !== undefined && { cause: describeError(cause) }),
  };
}

/** The image has no development dependencies, and may still be run with NODE_ENV=development, as compose.yaml does. */
function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}
