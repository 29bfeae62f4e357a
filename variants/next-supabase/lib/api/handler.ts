import { randomUUID } from 'node:crypto';
import type { NextRequest } from 'next/server';
import type { z } from 'zod';
import { authenticate } from '@/lib/auth';
import type { Identity, Scope } from '@/lib/auth/identity';
import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { requestContext } from '@/lib/logging/logger';
import { type RateLimitResult, rateLimit, rateLimitHeaders } from '@/lib/rate-limit';
import { RateLimited } from '@/lib/rate-limit/rate-limited';
import { recordSecurityEvent } from '@/lib/security/security-events';
import { recordRequest } from '@/lib/telemetry/requests';
import type { Answer } from './answer';
import { rawBody, readBytes, readJson } from './body';
import type { Description, Operation } from './operation';
import { problemResponse } from './problems';
import { none } from './schemas';
import { validate } from './validate';

export type Access =
  /** Anybody. */
  | 'public'
  /**
   * A signed-in user, and no API key: whatever grants rights or outlives the key, e.g. members, webhooks and their
   * secrets, keys, billing.
   */
  | 'session'
  /** A signed-in user whose `app_metadata.role` is `admin`. */
  | 'admin'
  /** A signed-in user, or an API key with this scope. */
  | Scope;

interface Way<Who, Params, Query, Body> {
  readonly access: Who;
  /** Of the path. Each schema refuses what it does not name. */
  readonly params?: Params;
  readonly query?: Query;
  /** JSON, or {@link rawBody}. */
  readonly body?: Body;
  /** Counted apart, with RATE_LIMIT_CREDENTIALS_MAX, besides the limit that all requests share. */
  readonly limit?: 'sign-ups';
  /** Waits for others, who have time-outs of their own: REQUEST_TIMEOUT_MS is not for it. */
  readonly asksOthers?: true;
}

type Options<Who, Params, Query, Body> = Way<Who, Params, Query, Body> &
  (
    | Description
    /** What answers paths that nobody knows: they are one to the metrics, or a scanner could fill them. */
    | { readonly isRoute: false }
  );

type Caller<Who extends Access> = Who extends 'public'
  ? undefined
  : Who extends 'session' | 'admin'
    ? Extract<Identity, { kind: 'session' }>
    : Identity;

interface Input<
  Who extends Access,
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
> {
  readonly request: NextRequest;
  readonly caller: Caller<Who>;
  readonly params: z.output<Params>;
  readonly query: z.output<Query>;
  readonly body: z.output<Body>;
}

/** `params` is undefined where the path has none. */
type Context = { params: Promise<Record<string, string | string[] | undefined> | undefined> };

/** A handler as Next.js calls it, and what the OpenAPI document says of it. */
export type RouteHandler = ((request: NextRequest, context: Context) => Promise<Response>) & {
  readonly operation: Operation;
};

/**
 * Makes a route handler. Every request takes the same way: rate limit, authentication, validation, business logic, and
 * one mapping of errors.
 *
 *     export const PUT = handler(
 *       { operationId: 'replaceProject', summary: 'Replaces a project', access: 'projects:write', params, body, answers: { 200: data(project) } },
 *       async ({ caller, params, body }) => ok(await replaceProject(caller.userId, params.id, body)),
 *     );
 */
export function handler<
  Who extends Access,
  Params extends z.ZodType = typeof none,
  Query extends z.ZodType = typeof none,
  Body extends z.ZodType = z.ZodUndefined,
>(
  options: Options<Who, Params, Query, Body>,
  logic: (input: Input<Who, Params, Query, Body>) => Promise<Answer>,
): RouteHandler {
  const isRoute = !('isRoute' in options);
  const handle = (request: NextRequest, context: Context) => {
    const requestId = request.headers.get('x-request-id') ?? randomUUID();
    return requestContext.run({ requestId }, async () => {
      const started = performance.now();
      let limit: RateLimitResult | undefined;
      let response: Response;
      const answer = async () => {
        const caller = (await admitted(request, options.access)) as Caller<Who>;
        return logic({
          request,
          caller,
          params: validate(options.params ?? none, (await context.params) ?? {}) as z.output<Params>,
          query: validate(options.query ?? none, toObject(request.nextUrl.searchParams)) as z.output<Query>,
          body: (await readBody(request, options.body)) as z.output<Body>,
        });
      };
      try {
        limit = await allowed(request, options.limit);
        response = toResponse(await (options.asksOthers ? answer() : inTime(answer())));
      } catch (error) {
        response = problemResponse(error, request.nextUrl.pathname, requestId, headersOf(error));
      }
      const route = isRoute ? routeOf(request.nextUrl.pathname, (await context.params) ?? {}) : undefined;
      if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store');
      for (const [name, value] of Object.entries(limit ? rateLimitHeaders(limit) : {})) {
        if (!response.headers.has(name)) response.headers.set(name, value); // those of the limit that was reached
      }
      recordRequest({
        method: request.method,
        path: request.nextUrl.pathname,
        route,
        status: response.status,
        started,
      });
      return response;
    });
  };
  return Object.assign(handle, { operation: options });
}

/**
 * Gives up waiting: what has begun goes on, and is bounded by the timeouts of the database. A stream may take as long as it
 * likes, once it has begun.
 */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DomainError('The request took too long. Its outcome is unknown.', 'HANDLER_TIMEOUT'));
    }, config().REQUEST_TIMEOUT_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function readBody(request: Request, schema: z.ZodType | undefined): Promise<unknown> {
  if (schema === undefined) return undefined;
  return schema === rawBody ? readBytes(request) : validate(schema, await readJson(request));
}

const headersOf = (error: unknown) =>
  error instanceof RateLimited ? rateLimitHeaders(error.result, error.policy) : {};

async function allowed(request: Request, own: 'sign-ups' | undefined): Promise<RateLimitResult> {
  const results = [await rateLimit(request)];
  if (own !== undefined) {
    results.push(await rateLimit(request, { name: own, max: config().RATE_LIMIT_CREDENTIALS_MAX }));
  }
  const refused = results.find(({ success }) => !success);
  if (refused) {
    recordSecurityEvent('rate_limit.exceeded', request);
    throw new RateLimited(refused);
  }
  return results[0] as RateLimitResult;
}

async function admitted(request: Request, access: Access): Promise<Identity | undefined> {
  if (access === 'public') return undefined;
  const identity = await authenticate(request);
  if (identity === null) {
    if (request.headers.has('authorization')) recordSecurityEvent('auth.denied', request);
    throw new DomainError(
      'Send Authorization: Bearer with an access token or an API key that is good.',
      'UNAUTHORIZED',
    );
  }
  const { userId } = identity;
  if (identity.kind === 'session') {
    if (access !== 'admin' || identity.isAdmin) return identity;
    recordSecurityEvent('access.denied', request, { userId });
    throw new DomainError('This takes an administrator of the service.', 'FORBIDDEN');
  }
  const needsUser = access === 'session' || access === 'admin';
  if (!needsUser && identity.scopes.includes(access)) return identity;
  recordSecurityEvent('access.denied', request, { userId, metadata: { keyId: identity.keyId } });
  const words = needsUser
    ? 'This takes a signed-in user, not an API key.'
    : `The API key needs the scope ${access}.`;
  throw new DomainError(words, 'INSUFFICIENT_SCOPE');
}

/** Repeated names become arrays, which no schema takes for a single value. */
function toObject(search: URLSearchParams): Record<string, string | string[]> {
  return Object.fromEntries(
    [...new Set(search.keys())].map((name) => {
      const values = search.getAll(name);
      return [name, values.length === 1 ? (values[0] as string) : values];
    }),
  );
}

/**
 * The path with the names of its parameters, as `/api/v1/projects/{id}`; undefined where it is written in a way in which
 * they are not found again, since each spelling would be a metric of its own.
 */
function routeOf(path: string, params: Record<string, string | string[] | undefined>): string | undefined {
  const segments = path.split('/');
  for (const [name, value] of Object.entries(params)) {
    const place = segments.indexOf(String(value));
    if (place < 0) return undefined;
    segments[place] = `{${name}}`;
  }
  return segments.join('/');
}

function toResponse({ status, body, stream, headers = {} }: Answer): Response {
  if (stream !== undefined) {
    return new Response(stream, { status, headers: { ...headers, 'content-type': 'text/event-stream' } });
  }
  if (body === undefined) return new Response(null, { status, headers });
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, 'content-type': 'application/json; charset=utf-8' },
  });
}
