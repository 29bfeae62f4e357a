import { createHash } from 'node:crypto';
import createError from '@fastify/error';
import { isAPIError } from 'better-auth/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import {
  ApiKeys,
  ChangePassword,
  CreateApiKey,
  CreatedApiKey,
  CurrentSession,
  DeleteApiKey,
  Done,
  RequestPasswordReset,
  ResetLink,
  ResetLinkQuery,
  ResetPassword,
  RevokeSession,
  SendVerification,
  Session,
  SignedIn,
  SignIn,
  SignUp,
  VerifyEmail,
} from './schema.js';
import { type AuthService, CLIENT_IP_HEADER } from './service.js';

export interface AuthRoutesOptions {
  readonly service: AuthService;
  readonly settings: { readonly LOGIN_ATTEMPTS_MAX: number; readonly LOGIN_ATTEMPTS_WINDOW_SECONDS: number };
}

/** Hop-by-hop headers, and those whose value Fastify gives anew. */
const NOT_FORWARDED = new Set(['connection', 'content-length', 'host', 'transfer-encoding', 'x-api-key']);

/**
 * Better Auth's endpoints, those that this service wants, at the paths where its clients look for them. Input and output are
 * held to our schemas; errors leave as problem documents like all others.
 */
export const authRoutes: FastifyPluginAsyncZod<AuthRoutesOptions> = async (app, { service, settings }) => {
  const attempts = { max: settings.LOGIN_ATTEMPTS_MAX, seconds: settings.LOGIN_ATTEMPTS_WINDOW_SECONDS };
  /** What could be used to guess passwords or to flood a mailbox is counted per address and per account. */
  const guarded = {
    onRequest: app.limitRate({ name: 'login-address', ...attempts, client: (request) => request.ip }),
    preHandler: app.limitRate({ name: 'login-account', ...attempts, client: account }),
  };
  const anyone = { isPublic: true, problems: [403, 422] };
  const knocking = { isPublic: true, problems: [401, 403, 422] };
  const user = { needsSession: true, problems: [403] };
  const tags = ['auth'];

  async function forward(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const response = await service.handler(toWebRequest(request)).catch(refuse);
    for (const cookie of response.headers.getSetCookie()) reply.header('set-cookie', cookie);
    if (response.status === 302) {
      await reply.redirect(response.headers.get('location') ?? '/');
      return;
    }
    const answer: unknown = await response.json().catch(() => null);
    if (!response.ok) throw asError(response.status, answer);
    const token = response.headers.get('set-auth-token');
    await reply.send(token === null ? answer : { ...(answer as object), token: decodeURIComponent(token) });
  }

  app.post(
    '/sign-up/email',
    { ...guarded, config: anyone, schema: { tags, body: SignUp, response: { 200: SignedIn } } },
    forward,
  );
  app.post(
    '/sign-in/email',
    { ...guarded, config: knocking, schema: { tags, body: SignIn, response: { 200: SignedIn } } },
    forward,
  );
  app.post(
    '/request-password-reset',
    { ...guarded, config: anyone, schema: { tags, body: RequestPasswordReset, response: { 200: Done } } },
    forward,
  );
  app.get(
    '/reset-password/:token',
    {
      onRequest: guarded.onRequest,
      config: anyone,
      schema: {
        tags,
        description: 'Where the link in the mail leads: on to the page, if the token is good.',
        params: ResetLink,
        querystring: ResetLinkQuery,
        response: { 302: z.undefined() },
      },
    },
    forward,
  );
  app.post(
    '/reset-password',
    {
      onRequest: guarded.onRequest,
      config: anyone,
      schema: { tags, body: ResetPassword, response: { 200: Done } },
    },
    forward,
  );
  app.post(
    '/send-verification-email',
    { ...guarded, config: anyone, schema: { tags, body: SendVerification, response: { 200: Done } } },
    forward,
  );
  app.get(
    '/verify-email',
    {
      onRequest: guarded.onRequest,
      config: knocking,
      schema: { tags, querystring: VerifyEmail, response: { 200: Done, 302: z.undefined() } },
    },
    forward,
  );

  app.post('/sign-out', { config: user, schema: { tags, response: { 200: Done } } }, forward);
  app.get('/get-session', { config: user, schema: { tags, response: { 200: CurrentSession } } }, forward);
  app.get('/list-sessions', { config: user, schema: { tags, response: { 200: z.array(Session) } } }, forward);
  app.post(
    '/revoke-session',
    { config: user, schema: { tags, body: RevokeSession, response: { 200: Done } } },
    forward,
  );
  app.post('/revoke-other-sessions', { config: user, schema: { tags, response: { 200: Done } } }, forward);
  app.post(
    '/change-password',
    {
      onRequest: guarded.onRequest,
      config: user,
      schema: { tags, body: ChangePassword, response: { 200: SignedIn } },
    },
    forward,
  );

  app.post(
    '/api-key/create',
    { config: user, schema: { tags, body: CreateApiKey, response: { 200: CreatedApiKey } } },
    forward,
  );
  app.get('/api-key/list', { config: user, schema: { tags, response: { 200: ApiKeys } } }, forward);
  app.post(
    '/api-key/delete',
    {
      config: { ...user, problems: [403, 404] },
      schema: { tags, body: DeleteApiKey, response: { 200: Done } },
    },
    forward,
  );
};

/** The account that a request is about, so that it can be counted: its address is not kept in Valkey. */
function account({ body, ip }: FastifyRequest): string {
  const { email } = (body ?? {}) as { email?: unknown };
  if (typeof email !== 'string') return ip;
  return createHash('sha256').update(email.toLowerCase()).digest('base64url');
}

/** The validated request as Better Auth reads it. */
function toWebRequest(request: FastifyRequest): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !NOT_FORWARDED.has(name)) headers.set(name, String(value));
  }
  // Whoever sends a token is who that is for; a cookie beside it would be checked as if a page had sent it.
  if (headers.has('authorization')) headers.delete('cookie');
  headers.set(CLIENT_IP_HEADER, request.ip);
  const body = request.body === undefined || request.body === null ? undefined : JSON.stringify(request.body);
  return new Request(`${request.protocol}://${request.host}${request.url}`, {
    method: request.method,
    headers,
    ...(body !== undefined && { body }),
  });
}

function refuse(error: unknown): never {
  throw isAPIError(error) ? asError(error.statusCode, error.body) : error;
}

/** Better Auth names what is wrong as we do: `{ code: 'INVALID_EMAIL_OR_PASSWORD', message }`. */
function asError(status: number, answer: unknown): Error {
  const { code, message } = (answer ?? {}) as { code?: unknown; message?: unknown };
  const AuthError = createError(
    typeof code === 'string' ? code : 'BAD_REQUEST',
    typeof message === 'string' ? message.replaceAll('%', '%%') : 'The request was refused.',
    status,
  );
  return new AuthError();
}
