import { AsyncLocalStorage } from 'node:async_hooks';
import { trace } from '@opentelemetry/api';
import { type Logger, pino } from 'pino';

/** Members that never reach the log, whether they stand in a logged object or in a member of one. */
const SECRETS = ['authorization', 'cookie', 'set-cookie', 'password', 'token', 'secret', 'email'];

/** The request that is being served: every line that is written meanwhile carries its id. */
export const requestContext = new AsyncLocalStorage<{ readonly requestId: string }>();

/** The service's logger: JSON lines with the ids of the request and the trace that are running, readable text in development. */
export function createLogger(config: { readonly LOG_LEVEL: string; readonly NODE_ENV: string }): Logger {
  return pino({
    level: config.LOG_LEVEL,
    redact: {
      paths: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`]),
      censor: '[redacted]',
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

/** The image has no development dependencies, and may still be run with NODE_ENV=development, as compose.yaml does. */
function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}
