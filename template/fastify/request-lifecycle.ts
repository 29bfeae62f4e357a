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
      reply.send(new DomainError('The request took too long. Its outcome is unknown.', 'HANDLER_TIMEOUT'));
  }, milliseconds);
  const lift = () => clearTimeout(timer);
  reply.raw.once('close', lift);
  return lift;
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
  if (route !== undefined)
    trace.getActiveSpan()?.setAttribute('http.route', route).updateName(`${request.method} ${route}`);
  const level = status >= 500 ? 'error' : ALWAYS_ANSWERED.test(request.url) ? 'debug' : 'info';
  request.log[level](
    {
      requestId: request.id,
      method: request.method,
      path: request.url.split('?', 1)[0],
      route,
      status,
      durationMs: Math.round(reply.elapsedTime * 10) / 10,
    },
    'request',
  );
  done();
}
