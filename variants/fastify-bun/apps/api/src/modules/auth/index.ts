import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LRUCache } from 'lru-cache';
import {
  OriginNotAllowedError,
  SessionNotFreshError,
  SessionRequiredError,
  UnauthorizedError,
} from './errors.js';
import { createLoginLimits, type LoginLimitSettings } from './login-limits.js';
import { createAccountRepository, createAuthRepository, createSessionRepository } from './repository.js';
import { authRoutes } from './routes.js';
import {
  type AuthService,
  type AuthSettings,
  BASE_PATH,
  createAuthService,
  SESSION_SECONDS,
  SESSION_UPDATE_SECONDS,
} from './service.js';
import { readSessionToken } from './session-token.js';
import type { Principal } from './types.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends the body of a long response soon after the session or the key of its request has ended. */
    endWithSession(request: FastifyRequest, body: Readable): void;
  }
}

type Settings = AuthSettings &
  LoginLimitSettings & {
    readonly FRESH_SESSION_SECONDS: number;
    readonly SESSION_CACHE_MS: number;
  };

/** Milliseconds between two looks at the session of an open response. */
const OPEN_RESPONSE_CHECK_MS = 5_000;

/** Sessions that one process remembers at most. */
const CACHED_SESSIONS = 10_000;

/** Log-in, and the rule that every route asks who calls unless it says that it is public. */
export const authModule = fp<{ readonly settings: Settings }>(
  async (app, { settings }) => {
    const limits = createLoginLimits({ valkey: app.valkey, settings, log: app.log });
    const accounts = createAccountRepository(app.db);
    const service = createAuthService({
      settings,
      repository: createAuthRepository(app.db),
      mailer: app.mailer,
      log: app.log,
    });
    const origins = new Set([...settings.CORS_ORIGINS, new URL(settings.PUBLIC_URL).origin]);

    const sessions = createSessionRepository(app.db);
    const cookieName = (await service.$context).authCookies.sessionToken.name;

    /** Whose a token is, for so short a time that a log-out elsewhere is hardly noticed late; here it is noticed at once. */
    const remembered = new LRUCache<string, string>({ max: CACHED_SESSIONS, ttl: settings.SESSION_CACHE_MS });

    async function authenticate(request: FastifyRequest, mayRemember: boolean): Promise<Principal> {
      const token = readSessionToken(request.headers, cookieName, settings.AUTH_SECRET);
      // What most requests have costs one statement here, and three in Better Auth, which does the rest.
      if (token !== undefined && request.headers['x-api-key'] === undefined) {
        const known = mayRemember ? remembered.get(token) : undefined;
        if (known !== undefined) return { userId: known, via: 'session' };
        const session = await sessions.findByToken(token);
        if (session !== undefined && isFresh(session.expiresAt)) {
          if (settings.SESSION_CACHE_MS > 0) remembered.set(token, session.userId);
          return {
            userId: session.userId,
            via: 'session',
            loggedInAt: session.createdAt,
            sessionToken: token,
          };
        }
      }
      return askBetterAuth(service, request);
    }

    async function isOver(request: FastifyRequest): Promise<boolean> {
      try {
        return (await authenticate(request, false)).userId !== request.principal?.userId;
      } catch (error) {
        // Without the database nothing is known.
        return error instanceof UnauthorizedError;
      }
    }

    app.decorate('endWithSession', (request: FastifyRequest, body: Readable) => {
      const timer = setInterval(async () => {
        if (await isOver(request)) body.destroy(new UnauthorizedError());
      }, OPEN_RESPONSE_CHECK_MS);
      body.once('close', () => clearInterval(timer));
    });
    app.decorateRequest('principal', null);
    app.addHook('onRequest', async (request, reply) => {
      const { isPublic, needsSession } = request.routeOptions.config;
      if (isPublic || request.is404) return;
      reply.header('cache-control', 'no-store');
      // Whoever changes the account is looked up in any case.
      request.principal = await authenticate(request, !needsSession);
      if (needsSession && request.principal.via !== 'session') throw new SessionRequiredError();
      if (needsSession === 'fresh' && !isRecent(request.principal, settings.FRESH_SESSION_SECONDS))
        throw new SessionNotFreshError();
      if (isForged(request, origins)) throw new OriginNotAllowedError();
    });
    app.addHook('onSend', async (request) => {
      const { isPublic, needsSession } = request.routeOptions.config;
      // Any of these may have ended a session.
      if ((isPublic || needsSession) && request.method !== 'GET') remembered.clear();
    });
    await app.register(authRoutes, { prefix: BASE_PATH, service, limits, accounts, mailer: app.mailer });
  },
  { name: 'auth', dependencies: ['database', 'mail', 'valkey', 'rate-limit'] },
);

function isRecent({ loggedInAt }: Principal, seconds: number): boolean {
  return loggedInAt !== undefined && Date.now() - loggedInAt.getTime() < seconds * 1_000;
}

/** Whether a session is valid, and need not be made to last longer yet. */
function isFresh(expiresAt: Date): boolean {
  return expiresAt.getTime() - Date.now() > (SESSION_SECONDS - SESSION_UPDATE_SECONDS) * 1_000;
}

async function askBetterAuth(service: AuthService, { headers }: FastifyRequest): Promise<Principal> {
  const given = new Headers();
  for (const name of ['authorization', 'cookie', 'x-api-key'] as const) {
    const value = headers[name];
    if (typeof value === 'string') given.set(name, value);
  }
  // With an API key of somebody and a session of somebody else it would be unclear who calls.
  const via = given.has('x-api-key') ? 'api-key' : 'session';
  const session = await service.api.getSession({ headers: given }).catch(refuseOr);
  if (session === null) throw new UnauthorizedError();
  const { createdAt: loggedInAt, token: sessionToken } = session.session;
  return { userId: session.user.id, via, loggedInAt, sessionToken };
}

/** Better Auth throws where an API key is wrong or expired; what else goes wrong is no fault of the caller. */
function refuseOr(error: unknown): null {
  const { statusCode } = error as { statusCode?: number };
  if (statusCode !== undefined && statusCode < 500) return null;
  throw error;
}

/** Whether a page of a foreign origin has made a browser send its cookie with a request that changes something. */
function isForged({ headers, method }: FastifyRequest, origins: ReadonlySet<string>): boolean {
  const isSafe = method === 'GET' || method === 'HEAD';
  const usesCookie = headers.authorization === undefined && headers['x-api-key'] === undefined;
  return !isSafe && usesCookie && headers.origin !== undefined && !origins.has(headers.origin);
}
