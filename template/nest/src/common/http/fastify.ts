import underPressure from '@fastify/under-pressure';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { trace } from '@opentelemetry/api';
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { DomainError } from '../errors/domain-error.js';
import { requestContext } from '../logging/logger.js';
import { requestDuration } from '../telemetry/metrics.js';
import { Drain } from './drain.js';
import { answerParserError, answerRouterError } from './early-errors.js';
import { assertJsonDepth } from './json-depth.js';
import { requestId } from './request-id.js';

/** The settings that shape the HTTP server; see `config/settings.ts`. */
export interface HttpSettings {
  readonly BODY_LIMIT_BYTES: number;
  readonly CORS_ORIGINS: readonly string[];
  readonly MAX_EVENT_LOOP_DELAY_MS: number;
  readonly REQUEST_TIMEOUT_MS: number;
  readonly TRUST_PROXY: boolean | string[];
}

/** Probes and scrapes are answered even when requests are shed. */
const ALWAYS_ANSWERED = /^\/(health\/|metrics)/;

export function createFastifyAdapter(settings: HttpSettings, logger: Logger): FastifyAdapter {
  const adapter = new FastifyAdapter({
    loggerInstance: logger,
    // One line per request is written by `observeRequest`; Fastify would write two.
    logController: new LogController({ disableRequestLogging: true }),
    // A logger for each request is not needed: `requestContext` knows the id.
    childLoggerFactory: () => logger,
    genReqId: requestId,
    requestIdHeader: false,
    bodyLimit: settings.BODY_LIMIT_BYTES,
    frameworkErrors: answerRouterError,
    clientErrorHandler: answerParserError,
    trustProxy: settings.TRUST_PROXY,
    // Slow senders: headers and body must arrive within this time.
    requestTimeout: settings.REQUEST_TIMEOUT_MS,
    // How often Node looks for them; its own 30 s would be what they really have.
    http: { connectionsCheckingInterval: 1_000 },
    // A request that arrives while the server closes is still answered; balancers need a moment to look away.
    return503OnClosing: false,
  });
  const fastify = adapter.getInstance();
  // JSON is the only body that any route takes.
  fastify.removeContentTypeParser('text/plain');
  return adapter;
}

/** Everything between the socket and the controllers: headers, CORS, load shedding, limits, log line and metrics. */
export async function configureHttp(app: NestFastifyApplication, settings: HttpSettings): Promise<void> {
  const drain = app.get(Drain);
  const fastify = app.getHttpAdapter().getInstance();
  // First of all, so that requests that are shed have these too.
  fastify.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    reply.header('x-request-id', request.id);
    if (drain.draining) reply.header('connection', 'close');
    answerInTime(reply, settings.REQUEST_TIMEOUT_MS);
    requestContext.run({ requestId: request.id }, done);
  });
  app.useSecurityHeaders({
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
  });
  app.enableCors({
    origin: [...settings.CORS_ORIGINS],
    // An OPTIONS request that is no preflight is answered like one, and not with an error in plain text.
    strictPreflight: false,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: [
      'etag',
      'idempotency-replayed',
      'location',
      'ratelimit',
      'ratelimit-policy',
      'retry-after',
      'x-request-id',
    ],
    maxAge: 600,
  });
  if (settings.MAX_EVENT_LOOP_DELAY_MS > 0) {
    await app.register(underPressure, {
      maxEventLoopDelay: settings.MAX_EVENT_LOOP_DELAY_MS,
      pressureHandler: (request: FastifyRequest) => {
        if (ALWAYS_ANSWERED.test(request.url)) return;
        throw new DomainError('The service has more to do than it can. Try again shortly.', 'OVERLOADED');
      },
    });
  }
  fastify.addHook(
    'preValidation',
    (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
      try {
        assertJsonDepth(request.body);
        // Again: a body arrives in events of the socket, which know nothing of the request.
        requestContext.run({ requestId: request.id }, done);
      } catch (error) {
        done(error as Error);
      }
    },
  );
  fastify.addHook('onResponse', observeRequest);
}

/**
 * Answers 503 where the handler has not answered in time; what it began goes on and is bounded by the timeouts of the
 * database. Fastify's own `handlerTimeout` makes and aborts an AbortController per request, which took 20 of the 87
 * microseconds that a POST with a validated body cost (64 connections, Node 24).
 */
function answerInTime(reply: FastifyReply, milliseconds: number): void {
  const timer = setTimeout(() => {
    if (!reply.sent)
      reply.send(new DomainError('The request took too long. Its outcome is unknown.', 'HANDLER_TIMEOUT'));
  }, milliseconds);
  reply.raw.once('close', () => clearTimeout(timer));
}

/** One log line and one measurement per request. */
function observeRequest(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
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
