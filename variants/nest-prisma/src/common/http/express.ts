import { createServer } from 'node:http';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { DomainError } from '../errors/domain-error.js';
import { AllowedMethods, methodNotAllowed } from './allowed-methods.js';
import { closeConnections } from './close-connections.js';
import { Drain } from './drain.js';
import { readJsonBody } from './json-body.js';
import { shedLoad } from './load-shedding.js';
import { answerParserError } from './parser-errors.js';
import { answerInTime, nameRequest, observeRequests } from './request-lifecycle.js';

/** The settings that shape the HTTP server; see `config/settings.ts`. */
export interface HttpSettings {
  readonly BODY_LIMIT_BYTES: number;
  readonly CORS_ORIGINS: readonly string[];
  readonly KEEP_ALIVE_TIMEOUT_MS: number;
  readonly MAX_EVENT_LOOP_DELAY_MS: number;
  readonly REQUEST_TIMEOUT_MS: number;
  readonly TRUST_PROXY: boolean | string[];
}

/** NestJS on Express, listening as this service does. */
export class HttpAdapter extends ExpressAdapter {
  constructor(private readonly settings: HttpSettings) {
    super();
  }

  override initHttpServer(): void {
    const server = createServer(
      {
        // Slow senders: headers and body must arrive within this time.
        requestTimeout: this.settings.REQUEST_TIMEOUT_MS,
        // How often Node looks for them; its own 30 s would be what they really have.
        connectionsCheckingInterval: 1_000,
        // Longer than a balancer's: otherwise it sends a request on a connection that the service is closing.
        keepAliveTimeout: this.settings.KEEP_ALIVE_TIMEOUT_MS,
      },
      this.getInstance(),
    );
    server.on('clientError', answerParserError);
    this.httpServer = server;
  }

  /** Nest calls it when all routes are known. */
  override setNotFoundHandler(...args: Parameters<ExpressAdapter['setNotFoundHandler']>): void {
    this.use(refuseUnknownMethods(this.getInstance<Express>()));
    super.setNotFoundHandler(...args);
  }
}

/** Answers 405 with `Allow` if other methods of the path have a route. Comes after all routes. */
function refuseUnknownMethods({ router }: Express): RequestHandler {
  const known = new AllowedMethods();
  for (const { route } of router.stack) {
    if (route === undefined || typeof route.path !== 'string' || route.path.includes('*')) continue;
    known.add(
      route.path,
      route.stack.map(({ method }) => method.toUpperCase()),
    );
  }
  return (request, response, next) => {
    const allowed = known.of(request.url);
    if (allowed === undefined) {
      next();
      return;
    }
    response.setHeader('allow', allowed);
    next(new DomainError(methodNotAllowed(request.method, allowed), 'METHOD_NOT_ALLOWED'));
  };
}

/** Everything between the socket and the controllers: headers, CORS, load shedding, limits, log line and metrics. */
export function configureHttp(app: NestExpressApplication, settings: HttpSettings, logger: Logger): void {
  app.set('trust proxy', settings.TRUST_PROXY);
  app.set('etag', false); // an ETag is a version here, and not a hash of the answer
  app.disable('x-powered-by');
  // First of all, so that requests that are shed have these too.
  app.use(nameRequest);
  const drain = app.get(Drain);
  app.use((_request: Request, response: Response, next: NextFunction) => {
    closeConnections(response, () => drain.draining);
    next();
  });
  app.use(observeRequests(logger));
  app.use(answerInTime(settings.REQUEST_TIMEOUT_MS));
  // Without TLS of its own the service cannot ask for upgrades.
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  app.enableCors({
    origin: [...settings.CORS_ORIGINS],
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
  if (settings.MAX_EVENT_LOOP_DELAY_MS > 0) app.use(shedLoad(settings.MAX_EVENT_LOOP_DELAY_MS));
  app.use(readJsonBody(settings.BODY_LIMIT_BYTES));
}
