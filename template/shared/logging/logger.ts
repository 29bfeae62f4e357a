import { AsyncLocalStorage } from 'node:async_hooks';
import { trace } from '@opentelemetry/api';
import { type Logger, pino } from 'pino';
[%- if variant == 'next-supabase' %]
import { processWide } from '../process-wide.js';
[%- endif %]

/** Names of members whose text never reaches the log, at any depth. */
const SECRET =
  /pass(word|phrase|wd)|secret|token|authorization|cookie|credential|signature|(api|private|encryption)[-_]?key|email/i;
const REDACTED = '[redacted]';
/** Levels of a logged object that are written. */
const DEPTH = 5;

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
    // Not `serializers` and `redact`: pino-http replaces the first, and the second knows exact paths only.
    formatters: { log: (line) => loggable(line) as Record<string, unknown> },
    hooks: {
      // pino repeats the message of an error where the call has none.
      logMethod([first, ...rest], method) {
        const error = first instanceof Error ? first : (first as { err?: unknown } | null)?.err;
        const named = error instanceof Error && rest.length === 0 ? [error.name] : rest;
        method.apply(this, [first instanceof Error ? { err: first } : first, ...named] as Parameters<
          typeof method
        >);
      },
    },
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

/** Returns a copy of a value for the log: errors described, the text of secret members replaced. */
export function loggable(value: unknown, isSecret = false, depth = 0): unknown {
  if (typeof value === 'string' || ArrayBuffer.isView(value)) return isSecret ? REDACTED : value;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return describeError(value);
  if (depth === DEPTH) return '[nested too deep]';
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return loggable(value.toJSON(), isSecret, depth);
  if (Array.isArray(value)) return value.map((item) => loggable(item, isSecret, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      loggable(member, isSecret || SECRET.test(name), depth + 1),
    ]),
  );
}

/**
 * Returns an error without what users have written. Drivers, ORMs and SDKs add input to their errors: as members (`params`,
 * `detail`, `requestBodyValues`), which stay out unless they are named here, and in messages, see `messageOf`.
 */
function describeError(error: Error): object {
  const { name, message, stack = '', cause, code } = error as Error & { code?: unknown };
  const frames = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : stack;
  return {
    type: name,
    message: messageOf(error),
    stack: frames.split('\n').filter((line) => /^\s+at /.test(line)),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(cause instanceof Error && { cause: describeError(cause) }),
  };
}

/** SQLSTATEs whose message repeats a value: data exceptions, and what functions raise. */
const REPEATS_VALUES = /^(22|P0)[0-9A-Z]{3}$/;

/** The message of an error, or what may be said in its place where it may repeat input. */
export function messageOf(error: Error): string {
  const { name, message, code, query, statusCode, status } = error as Error & Record<string, unknown>;
  if (typeof query === 'string') return `Failed query: ${query}`;
  if (typeof code === 'string' && REPEATS_VALUES.test(code)) return `PostgreSQL refused a value (${code})`;
[%- if variant == 'nest-prisma' %]
  // Prisma repeats the whole call, the values of `where` and `data` included.
  if (name.startsWith('PrismaClient')) {
    return `${/Invalid `([^`]+)` invocation/.exec(message)?.[1] ?? 'A query of Prisma'} failed`;
  }
[%- endif %]
  // JSON.parse repeats the text that it could not read.
  if (error instanceof SyntaxError) return 'Unreadable text';
  // The message of a response is another system's, and may repeat what it was sent.
  const answered = statusCode ?? status;
  if (typeof answered === 'number') return `${name} with status ${answered}`;
  return message;
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
