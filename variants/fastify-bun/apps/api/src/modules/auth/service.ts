import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { createEmailVerificationToken } from 'better-auth/api';
import { verifyJWT } from 'better-auth/crypto';
import { bearer } from 'better-auth/plugins';
import type { Log } from '../../shared/lib/logging/log.js';
import type { Mailer } from '../../shared/lib/mail/mailer.js';
import type { Mail } from '../../shared/lib/mail/transport.js';
import type { createAuthRepository } from './repository.js';
import { signInScope, signUpScope } from './scopes.js';

export const BASE_PATH = '/api/auth';
/** The client's address as Fastify determined it; a header of this name from the client is dropped. */
export const CLIENT_IP_HEADER = 'x-client-ip';

/** What OWASP advises for Argon2id: 19 MiB, two passes. */
const ARGON2 = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const;
export const SESSION_SECONDS = 7 * 86_400;
/** A session that was used after this time is made to last longer. */
export const SESSION_UPDATE_SECONDS = 86_400;

export interface AuthSettings {
  readonly AUTH_SECRET: string;
  readonly AUTH_REQUIRE_VERIFIED_EMAIL: boolean;
  readonly CORS_ORIGINS: readonly string[];
  readonly OTEL_SERVICE_NAME: string;
  readonly PUBLIC_URL: string;
  readonly RATE_LIMIT_IPV6_PREFIX: number;
}

interface Dependencies {
  readonly settings: AuthSettings;
  readonly repository: ReturnType<typeof createAuthRepository>;
  readonly mailer: Mailer;
  readonly log: Log;
}

export const hashPassword = (password: string): Promise<string> => Bun.password.hash(password, ARGON2);

export const verifyPassword = (hash: string, password: string): Promise<boolean> =>
  Bun.password.verify(password, hash);

export type AuthService = ReturnType<typeof createAuthService>;

/** Accounts with email and password, sessions as cookies or bearer tokens, and API keys for programs. */
export function createAuthService({ settings, repository, mailer, log }: Dependencies) {
  return betterAuth({
    appName: settings.OTEL_SERVICE_NAME,
    secret: settings.AUTH_SECRET,
    baseURL: settings.PUBLIC_URL,
    basePath: BASE_PATH,
    trustedOrigins: [...settings.CORS_ORIGINS],
    database: repository,
    telemetry: { enabled: false },
    // Its messages end in what was sent (`Invalid callbackURL: ...`), those of `info` name addresses.
    logger: {
      level: 'warn',
      log: (level, message) => log[level](`better-auth: ${message.split(':', 1)[0]}`),
    },
    // Fastify counts, in Valkey, for all processes.
    rateLimit: { enabled: false },
    // To our error handler: Better Auth would print them, with what users have written.
    onAPIError: { throw: true },
    advanced: {
      // Also in tests, where Better Auth would look away.
      disableOriginCheck: false,
      disableCSRFCheck: false,
      database: { generateId: () => Bun.randomUUIDv7() },
      ipAddress: { ipAddressHeaders: [CLIENT_IP_HEADER], ipv6Subnet: settings.RATE_LIMIT_IPV6_PREFIX },
    },
    session: { expiresIn: SESSION_SECONDS, updateAge: SESSION_UPDATE_SECONDS },
    emailAndPassword: {
      enabled: true,
      requireEmailVerification: settings.AUTH_REQUIRE_VERIFIED_EMAIL,
      password: {
        hash: async (password) => signUpScope.getStore()?.passwordHash ?? hashPassword(password),
        async verify({ hash, password }) {
          const isRight = await verifyPassword(hash, password);
          const signIn = signInScope.getStore();
          if (isRight && signIn !== undefined) signIn.passwordHash = hash;
          return isRight;
        },
      },
      onExistingUserSignUp: async ({ user }) => {
        const signUp = signUpScope.getStore();
        if (signUp !== undefined && !user.emailVerified) signUp.unverifiedUserId = user.id;
      },
      sendResetPassword: async ({ user, url }) =>
        mailer.send({
          to: user.email,
          subject: 'Choose a new password',
          text: `Follow this link to choose a new password:\n\n${url}\n\nIf you did not ask for it, nothing has changed.`,
        }),
    },
    emailVerification: {
      sendOnSignUp: true,
      sendVerificationEmail: async ({ user, url }) => {
        const mail = verificationMail(user.email, url);
        const signUp = signUpScope.getStore();
        if (signUp === undefined) mailer.send(mail);
        else signUp.mails.push(mail);
      },
    },
    plugins: [
      // Only signed tokens: one that was read from the database is worth nothing.
      bearer({ requireSignature: true }),
      apiKey({ enableSessionForAPIKeys: true, defaultPrefix: 'key_', rateLimit: { enabled: false } }),
    ],
  });
}

/** The mail that Better Auth sends after a sign-up, for one with an address that is known and not confirmed. */
export async function repeatedSignUpMail(
  { $context }: AuthService,
  email: string,
  callbackURL: string,
): Promise<Mail> {
  const { baseURL, secret } = await $context;
  const query = new URLSearchParams({
    token: await createEmailVerificationToken(secret, email),
    callbackURL,
  });
  return verificationMail(email, `${baseURL}/verify-email?${query}`);
}

/** @returns the address that a verification link was mailed to, or undefined if its token is invalid or expired */
export async function readVerificationToken(
  { $context }: AuthService,
  token: string,
): Promise<string | undefined> {
  const { secret } = await $context;
  const payload = await verifyJWT<{ email?: unknown; updateTo?: unknown }>(token, secret);
  // A token with `updateTo` is for the change of an address.
  return typeof payload?.email === 'string' && payload.updateTo === undefined ? payload.email : undefined;
}

function verificationMail(to: string, url: string): Mail {
  return {
    to,
    subject: 'Confirm your address',
    text: `Follow this link and enter the password of your sign-up to confirm your address:\n\n${url}\n\nIf you did not sign up, ignore this mail: without it the account cannot be used.`,
  };
}
