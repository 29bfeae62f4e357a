import { isUtf8 } from 'node:buffer';
import type { Server } from 'node:http';
import {
  type FastifyBaseLogger,
  type FastifyHttpOptions,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RouteOptions,
} from 'fastify';
import type { Logger } from 'pino';
import { DomainError } from '../errors/domain-error.js';
import { AllowedMethods, methodNotAllowed } from './allowed-methods.js';
import { answerRouterError } from './early-errors.js';
import { answerParserError } from './parser-errors.js';
import { requestId } from './request-id.js';

/** The settings that shape the HTTP server; see `config/settings.ts`. */
export interface HttpSettings {
  readonly BODY_LIMIT_BYTES: number;
  readonly CORS_ORIGINS: readonly string[];
  readonly KEEP_ALIVE_TIMEOUT_MS: number;
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
    // Longer than a balancer's: otherwise it sends a request on a connection that the service is closing.
    keepAliveTimeout: settings.KEEP_ALIVE_TIMEOUT_MS,
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

/** The part of Fastify's instance that the functions below need, whichever server it is for. */
interface Routes {
  addHook(name: 'onRoute', hook: (route: RouteOptions) => void): unknown;
  addHook(
    name: 'onRequest',
    hook: (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void,
  ): unknown;
}

/** Answers 405 with `Allow` if other methods of the path have a route. Call it before any route is registered. */
export function refuseUnknownMethods(fastify: Routes): void {
  const known = new AllowedMethods();
  fastify.addHook('onRoute', ({ url, method }) => {
    if (!url.includes('*')) known.add(url, [method].flat());
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    const allowed = request.is404 ? known.of(request.url) : undefined;
    if (allowed === undefined) return done();
    reply.header('allow', allowed);
    done(new DomainError(methodNotAllowed(request.method, allowed), 'METHOD_NOT_ALLOWED'));
  });
}

/** The part of Fastify's instance that reads bodies. */
interface BodyParsers {
  getDefaultJsonParser(
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
  ): (request: never, body: string, done: (error: Error | null, body?: unknown) => void) => unknown;
  removeContentTypeParser(contentType: string): unknown;
  addContentTypeParser(
    contentType: string,
    options: { parseAs: 'buffer' },
    parser: (request: never, body: Buffer, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown;
}

/**
 * Reads JSON in UTF-8, and no body as none: clients send `Content-Type` with every DELETE. Fastify alone would refuse that, and
 * store U+FFFD in place of bytes that are not UTF-8.
 */
export function readJsonBodies(fastify: BodyParsers): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser('application/json');
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(new DomainError('The body is not UTF-8.', 'MALFORMED_JSON'));
    parse(request, body.toString(), done);
  });
}
