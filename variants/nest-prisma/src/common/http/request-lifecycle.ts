import { trace } from '@opentelemetry/api';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { DomainError } from '../errors/domain-error.js';
import { requestContext } from '../logging/logger.js';
import { requestDuration } from '../telemetry/metrics.js';
import { requestId } from './request-id.js';

declare module 'express-serve-static-core' {
  interface Request {
    /** The request's name in answers, log lines and errors. */
    id: string;
  }
}

/** Probes and scrapes are answered even when requests are shed. */
export const ALWAYS_ANSWERED = /^\/(health\/|metrics)/;

/** Gives the request its id, for the answer and for every log line that is written meanwhile. */
export function nameRequest(request: Request, response: Response, next: NextFunction): void {
  request.id = requestId(request);
  response.setHeader('x-request-id', request.id);
  requestContext.run({ requestId: request.id }, next);
}

/**
 * Answers 503 where the handler has not answered in time; what it began goes on and is bounded by the timeouts of the
 * database. An answer that has begun, such as a stream of events, may take as long as it likes.
 */
export function answerInTime(milliseconds: number): RequestHandler {
  return (_request, response, next) => {
    const timer = setTimeout(() => {
      if (!response.headersSent) {
        next(new DomainError('The request took too long. Its outcome is unknown.', 'HANDLER_TIMEOUT'));
      }
    }, milliseconds);
    response.once('close', () => clearTimeout(timer));
    next();
  };
}

/** One log line and one measurement per request. */
export function observeRequests(logger: Logger): RequestHandler {
  return (request, response, next) => {
    const started = performance.now();
    // 'close' is an event of the socket, which knows nothing of the request.
    response.once('close', () => {
      const milliseconds = performance.now() - started;
      const status = response.statusCode;
      // Unknown paths share one label, or a scanner could fill the memory of Prometheus.
      const route = routeOf(request);
      requestDuration.record(milliseconds / 1000, {
        'http.request.method': request.method,
        'http.response.status_code': status,
        ...(route !== undefined && { 'http.route': route }),
      });
      const level = status >= 500 ? 'error' : ALWAYS_ANSWERED.test(request.url) ? 'debug' : 'info';
      logger[level](
        {
          requestId: request.id,
          method: request.method,
          path: request.originalUrl.split('?', 1)[0],
          route,
          status,
          durationMs: Math.round(milliseconds * 10) / 10,
        },
        'request',
      );
    });
    const span = trace.getActiveSpan();
    if (span !== undefined) {
      response.once('finish', () => {
        const route = routeOf(request);
        if (route !== undefined)
          span.setAttribute('http.route', route).updateName(`${request.method} ${route}`);
      });
    }
    next();
  };
}

/** As it is declared, with its parameters; what others declare (Bull Board) may have several for one. */
function routeOf({ route }: Request): string | undefined {
  const path = (route as { path?: unknown } | undefined)?.path;
  return typeof path === 'string' ? path : undefined;
}
