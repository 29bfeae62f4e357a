import createError from '@fastify/error';
import { isAPIError } from 'better-auth/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { callerOf } from '../../shared/lib/http/caller.js';
import type { Mailer } from '../../shared/lib/mail/mailer.js';
import type { Mail } from '../../shared/lib/mail/transport.js';
import {
  InvalidCallbackUrlError,
  InvalidLinkError,
  TooManyApiKeysError,
  UnauthorizedError,
  WrongCurrentPasswordError,
  WrongPasswordError,
} from './errors.js';
import { type Attempt, type LoginLimits, TooManyAttemptsError } from './login-limits.js';
import {
  ApiKeys,
  ChangePassword,
  CreateApiKey,
  CreatedApiKey,
  CurrentSession,
  DeleteApiKey,
  Done,
  Instructions,
  InstructionsQuery,
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
  VerificationLink,
  VerifyEmail,
} from './schema.js';
import { type SignInScope, type SignUpScope, signInScope, signUpScope } from './scopes.js';
import {
  type AuthService,
  CLIENT_IP_HEADER,
  hashPassword,
  readVerificationToken,
  repeatedSignUpMail,
  verifyPassword,
} from './service.js';
import type { Accounts, Credential } from './types.js';

export interface AuthRoutesOptions {
  readonly service: AuthService;
  readonly limits: LoginLimits;
  readonly accounts: Accounts;
  readonly mailer: Mailer;
}

/** Hop-by-hop headers, and those whose value Fastify gives anew. */
const NOT_FORWARDED = new Set(['connection', 'content-length', 'host', 'transfer-encoding', 'x-api-key']);

/** Codes of Better Auth for a password or a token that is wrong. */
const WRONG = new Set(['INVALID_EMAIL_OR_PASSWORD', 'INVALID_PASSWORD', 'INVALID_TOKEN']);

const API_KEYS_PER_USER = 50;

/** Milliseconds that a response takes at least if its work differs between known and unknown addresses. */
const SHORTEST_RESPONSE_MS = 100;

/** As Better Auth responds if it has sent a mail, or would have if there was an account. */
const RESET_REQUESTED = {
  status: true,
  message: 'If this email exists in our system, check your email for the reset link',
};

/** A successful response of Better Auth. */
interface Answer {
  readonly cookies: readonly string[];
  /** Where the response redirects. */
  readonly location: string | undefined;
  readonly body: unknown;
  /** Of the session that has begun, as it is stored. */
  readonly sessionToken: string | undefined;
}

/** A session that begins, and the password with which it does. */
interface NewSession {
  readonly answer: Answer;
  readonly checked: Credential;
  readonly sessionToken: string;
}

/**
 * Better Auth's endpoints, those that this service wants, at the paths where its clients look for them. Input and output are
 * held to our schemas; errors leave as problem documents like all others.
 */
export const authRoutes: FastifyPluginAsyncZod<AuthRoutesOptions> = async (
  app,
  { service, limits, accounts, mailer },
) => {
  const anyone = { isPublic: true, problems: [403, 422] };
  const knocking = { isPublic: true, problems: [401, 403, 422] };
  const user = { needsSession: true, problems: [403] };
  const tags = ['auth'];

  const ask = (request: FastifyRequest): Promise<Answer> => read(service.handler(toWebRequest(request)));

  async function read(responding: Promise<Response>): Promise<Answer> {
    const response = await responding.catch(refuse);
    const cookies = response.headers.getSetCookie();
    if (response.status === 302)
      return {
        cookies,
        location: response.headers.get('location') ?? '/',
        body: null,
        sessionToken: undefined,
      };
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) throw asError(response.status, body);
    const token = response.headers.get('set-auth-token');
    return {
      cookies,
      location: undefined,
      body: token === null ? body : { ...(body as object), token: decodeURIComponent(token) },
      sessionToken: (body as { token?: string } | null)?.token,
    };
  }

  async function send(reply: FastifyReply, { cookies, location, body }: Answer): Promise<void> {
    for (const cookie of cookies) reply.header('set-cookie', cookie);
    if (location === undefined) await reply.send(body);
    else await reply.redirect(location);
  }

  async function forward(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    await send(reply, await ask(request));
  }

  async function beginSession(signIn: () => Promise<Response>): Promise<NewSession> {
    const scope: SignInScope = {};
    const answer = await signInScope.run(scope, () => read(signIn()));
    const { passwordHash } = scope;
    const { sessionToken } = answer;
    if (passwordHash === undefined || sessionToken === undefined)
      throw new Error('the sign-in made no session');
    const { user } = answer.body as { user: { id: string } };
    return { answer, checked: { userId: user.id, passwordHash }, sessionToken };
  }

  /** Checks a password, and settles the attempt before the client has the response. */
  async function check<Result>(
    reply: FastifyReply,
    begun: Promise<Attempt>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const attempt = await limited(reply, begun);
    try {
      const result = await work();
      await attempt.succeed();
      return result;
    } catch (error) {
      await (isWrong(error) ? attempt.fail() : attempt.release());
      throw error;
    }
  }

  /** Forwards a request that carries the token of a mailed link. */
  async function checkLink(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const countWrong = () => limited(reply, limits.countWrongLink(request.ip));
    let answer: Answer;
    try {
      answer = await ask(request);
    } catch (error) {
      if (isWrong(error)) await countWrong();
      throw error;
    }
    if (isRefusal(answer)) await countWrong();
    await send(reply, answer);
  }

  /** Puts a sign-up in the place of an earlier one with the same address that was never confirmed. */
  async function repeatSignUp(
    request: FastifyRequest,
    { name, email, callbackURL }: z.output<typeof SignUp>,
    credential: Credential,
  ): Promise<Mail | undefined> {
    if (!(await accounts.replaceSignUp(credential, name))) return undefined;
    const isDue = await limits.countMail('verification', email, request.ip).catch((error) => {
      if (error instanceof TooManyAttemptsError) return false; // A refusal would reveal the account.
      throw error;
    });
    return isDue ? repeatedSignUpMail(service, email.toLowerCase(), callbackURL) : undefined;
  }

  app.post(
    '/sign-up/email',
    {
      config: anyone,
      schema: { tags, operationId: 'signUp', summary: 'Sign up', body: SignUp, response: { 200: SignedIn } },
    },
    async (request, reply) => {
      await limited(reply, limits.countSignUp(request.ip));
      const { email, password } = request.body;
      const passwordHash = await hashPassword(password);
      const scope: SignUpScope = { passwordHash, mails: [] };
      const answer = await inEqualTime(async () => {
        const forwarded = await signUpScope.run(scope, () => ask(request));
        const { mails, unverifiedUserId: userId } = scope;
        const again = userId && (await repeatSignUp(request, request.body, { userId, passwordHash }));
        if (again) mails.push(again);
        for (const mail of mails) mailer.send(mail);
        return forwarded;
      });
      if ((answer.body as z.input<typeof SignedIn>).token !== null)
        await limits.trustClient(email, request.ip);
      await send(reply, answer);
    },
  );
  app.post(
    '/sign-in/email',
    {
      config: knocking,
      schema: { tags, operationId: 'signIn', summary: 'Sign in', body: SignIn, response: { 200: SignedIn } },
    },
    async (request, reply) => {
      const begun = limits.beginSignIn(request.body.email, request.ip);
      const signIn = async () => {
        const { answer, checked, sessionToken } = await beginSession(() =>
          service.handler(toWebRequest(request)),
        );
        if (!(await accounts.keepSession(checked, sessionToken))) throw new WrongPasswordError();
        return answer;
      };
      await send(reply, await check(reply, begun, signIn));
    },
  );
  app.post(
    '/request-password-reset',
    {
      config: anyone,
      schema: {
        tags,
        operationId: 'requestPasswordReset',
        summary: 'Request a mail with a link to reset the password',
        body: RequestPasswordReset,
        response: { 200: Done },
      },
    },
    async (request, reply) => {
      const isDue = await limited(reply, limits.countMail('reset', request.body.email, request.ip));
      if (isDue) await send(reply, await inEqualTime(() => ask(request)));
      else await reply.send(RESET_REQUESTED);
    },
  );
  app.get(
    '/reset-password/:token',
    {
      config: anyone,
      schema: {
        tags,
        operationId: 'openResetLink',
        summary: 'Open the link of a reset mail',
        description: 'Where the link in the mail leads: on to the page, if the token is good.',
        params: ResetLink,
        querystring: ResetLinkQuery,
        response: { 302: z.undefined() },
      },
    },
    checkLink,
  );
  app.post(
    '/reset-password',
    {
      config: anyone,
      schema: {
        tags,
        operationId: 'resetPassword',
        summary: 'Set a new password by the token of a mail',
        body: ResetPassword,
        response: { 200: Done },
      },
    },
    async (request, reply) => {
      const { token, newPassword } = request.body;
      const userId = await accounts.findResetUser(token);
      // Better Auth would set the password, confirm the address and end the sessions one after the other: what came between
      // would be confirmed.
      const email =
        userId &&
        (await accounts.resetPassword({ userId, passwordHash: await hashPassword(newPassword) }, token));
      if (!email) {
        await limited(reply, limits.countWrongLink(request.ip));
        throw new InvalidLinkError();
      }
      request.log.info({ userId, account: limits.accountHash(email) }, 'password reset by mail');
      await limits.trustClient(email, request.ip);
      return { status: true };
    },
  );
  app.post(
    '/send-verification-email',
    {
      config: anyone,
      schema: {
        tags,
        operationId: 'sendVerificationEmail',
        summary: 'Request another mail to verify the address',
        body: SendVerification,
        response: { 200: Done },
      },
    },
    async (request, reply) => {
      const isDue = await limited(reply, limits.countMail('verification', request.body.email, request.ip));
      await (isDue ? forward(request, reply) : reply.send({ status: true }));
    },
  );
  app.get(
    '/verify-email',
    {
      config: anyone,
      schema: {
        tags,
        operationId: 'openVerificationLink',
        summary: 'Open the link of a verification mail',
        description:
          'Where the link in the mail leads: on to the page, with `?token=`. It confirms nothing: the sign-up may be a stranger’s.',
        querystring: VerificationLink,
        response: { 302: z.undefined() },
      },
    },
    async (request, reply) => {
      const { token, callbackURL } = request.query;
      const context = await service.$context;
      if (!context.isTrustedOrigin(callbackURL, { allowRelativePaths: true }))
        throw new InvalidCallbackUrlError();
      const page = new URL(callbackURL, context.baseURL);
      if ((await readVerificationToken(service, token)) === undefined) {
        await limited(reply, limits.countWrongLink(request.ip));
        page.searchParams.set('error', 'INVALID_TOKEN');
      } else page.searchParams.set('token', token);
      await reply.redirect(page.href);
    },
  );
  app.post(
    '/verify-email',
    {
      config: knocking,
      schema: {
        tags,
        operationId: 'verifyEmail',
        summary: 'Verify the address',
        description:
          'Confirms the address. The password proves that the owner of the mailbox has signed up, and no stranger.',
        body: VerifyEmail,
        response: { 200: Done },
      },
    },
    async (request, reply) => {
      const { token, password } = request.body;
      const email = await readVerificationToken(service, token);
      if (email === undefined) {
        await limited(reply, limits.countWrongLink(request.ip));
        throw new InvalidLinkError();
      }
      await check(reply, limits.beginSignIn(email, request.ip), async () => {
        const credential = await accounts.findCredential(email);
        const isRight = credential !== undefined && (await verifyPassword(credential.passwordHash, password));
        if (!isRight || !(await accounts.confirmEmail(credential))) throw new WrongPasswordError();
      });
      return { status: true };
    },
  );

  app.get(
    '/instructions/:step',
    {
      config: { isPublic: true },
      schema: {
        tags,
        operationId: 'readInstructions',
        summary: 'Read what to do with a mailed link',
        description: 'Where mailed links lead if the request for the mail has named no page.',
        params: Instructions,
        querystring: InstructionsQuery,
        response: { 200: { description: 'what to do', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
    async (request, reply) => {
      const { step } = request.params;
      const { token } = request.query;
      const { baseURL } = await service.$context;
      const member = step === 'verify-email' ? 'password' : 'newPassword';
      const value = step === 'verify-email' ? 'the password of your sign-up' : 'a new password';
      const text =
        token === undefined
          ? 'The link is invalid or expired. Request another one.'
          : `Send this as JSON to POST ${baseURL}/${step}, with ${value}:\n\n${JSON.stringify({ token, [member]: '...' })}`;
      return reply.type('text/plain; charset=utf-8').send(`${text}\n`);
    },
  );

  app.post(
    '/sign-out',
    { config: user, schema: { tags, operationId: 'signOut', summary: 'Sign out', response: { 200: Done } } },
    forward,
  );
  app.get(
    '/get-session',
    {
      config: user,
      schema: {
        tags,
        operationId: 'getSession',
        summary: 'Get the current session',
        response: { 200: CurrentSession },
      },
    },
    forward,
  );
  app.get(
    '/list-sessions',
    {
      config: user,
      schema: {
        tags,
        operationId: 'listSessions',
        summary: 'List the sessions of the user',
        response: { 200: z.array(Session) },
      },
    },
    forward,
  );
  app.post(
    '/revoke-session',
    {
      config: user,
      schema: {
        tags,
        operationId: 'revokeSession',
        summary: 'Revoke a session',
        body: RevokeSession,
        response: { 200: Done },
      },
    },
    forward,
  );
  app.post(
    '/revoke-other-sessions',
    {
      config: user,
      schema: {
        tags,
        operationId: 'revokeOtherSessions',
        summary: 'Revoke all sessions but the current one',
        response: { 200: Done },
      },
    },
    forward,
  );
  app.post(
    '/change-password',
    {
      config: user,
      schema: {
        tags,
        operationId: 'changePassword',
        summary: 'Change the password',
        body: ChangePassword,
        response: { 200: SignedIn },
      },
    },
    async (request, reply) => {
      const userId = callerOf(request);
      const email = await accounts.findEmail(userId);
      if (email === undefined) throw new UnauthorizedError();
      const begun = limits.beginPasswordChange(email, request.ip);
      const { currentPassword: password, newPassword } = request.body;
      const change = async () => {
        // The session that is to remain is one of the current password, until the transaction that sets the new one.
        const session = await beginSession(() =>
          service.api.signInEmail({
            body: { email, password },
            headers: clientHeaders(request),
            asResponse: true,
          }),
        ).catch((error) => {
          throw isWrong(error) ? new WrongCurrentPasswordError() : error;
        });
        const passwordHash = await hashPassword(newPassword);
        if (!(await accounts.changePassword(session.checked, passwordHash, session.sessionToken)))
          throw new WrongCurrentPasswordError();
        return session.answer;
      };
      const answer = await check(reply, begun, change);
      request.log.info({ userId, account: limits.accountHash(email) }, 'password changed');
      await send(reply, answer);
    },
  );

  app.post(
    '/api-key/create',
    {
      config: { needsSession: 'fresh', problems: [403, 409] },
      schema: {
        tags,
        operationId: 'createApiKey',
        summary: 'Create an API key',
        body: CreateApiKey,
        response: { 200: CreatedApiKey },
      },
    },
    async (request, reply) => {
      const answer = await ask(request);
      const created = {
        userId: callerOf(request),
        keyId: (answer.body as z.input<typeof CreatedApiKey>).id,
        sessionToken: request.principal?.sessionToken ?? '',
      };
      const outcome = await accounts.keepApiKey(created, API_KEYS_PER_USER);
      if (outcome === 'logged-out') throw new UnauthorizedError();
      if (outcome === 'too-many') throw new TooManyApiKeysError();
      await send(reply, answer);
    },
  );
  app.get(
    '/api-key/list',
    {
      config: user,
      schema: { tags, operationId: 'listApiKeys', summary: 'List the API keys', response: { 200: ApiKeys } },
    },
    forward,
  );
  app.post(
    '/api-key/delete',
    {
      config: { ...user, problems: [403, 404] },
      schema: {
        tags,
        operationId: 'deleteApiKey',
        summary: 'Delete an API key',
        body: DeleteApiKey,
        response: { 200: Done },
      },
    },
    forward,
  );
};

function isWrong(error: unknown): boolean {
  return WRONG.has((error as { code?: string }).code ?? '');
}

/** Responds not before `SHORTEST_RESPONSE_MS`, so that the time does not tell which addresses have an account. */
async function inEqualTime<Result>(work: () => Promise<Result>): Promise<Result> {
  const [result] = await Promise.all([work(), Bun.sleep(SHORTEST_RESPONSE_MS)]);
  return result;
}

/** Whether Better Auth redirects to a page because the token is wrong. */
function isRefusal({ location }: Answer): boolean {
  return location !== undefined && /[?&]error=/.test(location);
}

/** Adds the fields of draft-ietf-httpapi-ratelimit-headers to a refusal. */
async function limited<Result>(reply: FastifyReply, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof TooManyAttemptsError) {
      const { policy, retryAfter } = error;
      reply.header('ratelimit-policy', `"${policy.name}";q=${policy.max};w=${policy.seconds}`);
      reply.header('ratelimit', `"${policy.name}";r=0;t=${retryAfter}`);
    }
    throw error;
  }
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
  const body = request.body ?? undefined;
  return new Request(`${request.protocol}://${request.host}${request.url}`, {
    method: request.method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** What a session keeps of the client. */
function clientHeaders({ ip, headers }: FastifyRequest): Headers {
  return new Headers({ [CLIENT_IP_HEADER]: ip, 'user-agent': headers['user-agent'] ?? '' });
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
