import { trace } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError } from '../errors/domain-error.js';
import { requestDuration } from '../telemetry/metrics.js';

/** Probes and scrapes are answered even when requests are shed. */
export const ALWAYS_ANSWERED = /^\/(health\/|metrics)/;

/**
 * Answers 503 where the handler has not answered in time; what it began goes on and is bounded by the timeouts of the
 * database. Fastify's own `handlerTimeout` makes and aborts an AbortController per request, which took 20 of the 87
 * microseconds that a POST with a validated body cost (64 connections, Node 24).
 *
 * @returns lifts the limit
 */
export function answerInTime(reply: FastifyReply, milliseconds: number): () => void {
  const timer = setTimeout(() => {
    if (!reply.sent)
      reply.send(
        new DomainError(
          'The request took too long and may still take effect. Repeat it with the same Idempotency-Key, which ' +
            'returns its outcome, or read what it would have changed.',
          'HANDLER_TIMEOUT',
        ),
      );
  }, milliseconds);
  const lift = () => clearTimeout(timer);
  reply.raw.once('close', lift);
  return lift;
}

/** Names of path parameters whose value is a credential. */
const SECRET_PARAMETER = /token|secret|password|signature|^code$/i;
/** Characters of a segment that may be a credential: 120 bits in base64url. */
const CREDENTIAL_LENGTH = 20;

/**
 * Returns the path for log lines and spans, without the query and without credentials, which links in mails have in their path.
 * Of an unknown path each long segment may be one.
 */
export function loggedPath(request: FastifyRequest): string {
  const path = request.url.split('?', 1)[0] ?? '/';
  const route = request.is404 ? undefined : request.routeOptions.url;
  if (route === undefined)
    return path
      .split('/')
      .map((segment) => (segment.length < CREDENTIAL_LENGTH ? segment : '[redacted]'))
      .join('/');
  const names = Object.keys((request.params as object | null) ?? {});
  return names.some((name) => SECRET_PARAMETER.test(name)) ? route : path;
}

/** One log line and one measurement per request. */
export function observeRequest(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  // Unknown paths share one label, or a scanner could fill the memory of Prometheus.
  const route = request.is404 ? undefined : request.routeOptions.url;
  const status = reply.statusCode;
  requestDuration.record(reply.elapsedTime / 1000, {
    'http.request.method': request.method,
    'http.response.status_code': status,
    ...(route !== undefined && { 'http.route': route }),
  });
  const path = loggedPath(request);
  // The HTTP instrumentation has set the path of the request line.
  const span = trace.getActiveSpan()?.setAttribute('url.path', path);
  if (route !== undefined) span?.setAttribute('http.route', route).updateName(`${request.method} ${route}`);
  const level = status >= 500 ? 'error' : ALWAYS_ANSWERED.test(request.url) ? 'debug' : 'info';
  request.log[level](
    {
      requestId: request.id,
      method: request.method,
      path,
      route,
      status,
      durationMs: Math.round(reply.elapsedTime * 10) / 10,
    },
    'request',
  );
  done();
}
