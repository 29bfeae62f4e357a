import type { Server } from 'node:http';
import { type FastifyBaseLogger, type FastifyHttpOptions, LogController } from 'fastify';
import type { Logger } from 'pino';
import { answerRouterError } from './early-errors.js';
import { answerParserError } from './parser-errors.js';
import { requestId } from './request-id.js';

/** The settings that shape the HTTP server; see `config/settings.ts`. */
export interface HttpSettings {
  readonly BODY_LIMIT_BYTES: number;
  readonly CORS_ORIGINS: readonly string[];
  readonly MAX_EVENT_LOOP_DELAY_MS: number;
  readonly REQUEST_TIMEOUT_MS: number;
  readonly TRUST_PROXY: boolean | string[];
}

/** How Fastify listens, reads requests and names them. */
export function serverOptions(settings: HttpSettings, logger: Logger) {
  return {
    // As Fastify's plugins know it.
    loggerInstance: logger as FastifyBaseLogger,
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
  } satisfies FastifyHttpOptions<Server>;
}

/** For helmet. Without TLS of its own the service cannot ask for upgrades. */
export const SECURITY_HEADERS = {
  contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
};

/** For @fastify/cors: browsers may call from the origins that the settings list, and read the headers that matter. */
export function corsOptions({ CORS_ORIGINS }: HttpSettings) {
  return {
    origin: [...CORS_ORIGINS],
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
  };
}
