import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { bearer } from 'better-auth/plugins';
import type { Log } from '../../shared/lib/logging/log.js';
import type { Mailer } from '../../shared/lib/mail/mailer.js';
import type { createAuthRepository } from './repository.js';

export const BASE_PATH = '/api/auth';
/** The address that the rate limits count, as Fastify has made it out; what a client sends under this name is dropped. */
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
}

interface Dependencies {
  readonly settings: AuthSettings;
  readonly repository: ReturnType<typeof createAuthRepository>;
  readonly mailer: Mailer;
  readonly log: Log;
}

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
    logger: { log: (level, message) => log[level](`better-auth: ${message}`) },
    // Fastify counts, in Valkey, for all processes.
    rateLimit: { enabled: false },
    // To our error handler: Better Auth would print them, with what users have written.
    onAPIError: { throw: true },
    advanced: {
      // Also in tests, where Better Auth would look away.
      disableOriginCheck: false,
      disableCSRFCheck: false,
      database: { generateId: () => Bun.randomUUIDv7() },
      ipAddress: { ipAddressHeaders: [CLIENT_IP_HEADER] },
    },
    session: { expiresIn: SESSION_SECONDS, updateAge: SESSION_UPDATE_SECONDS },
    emailAndPassword: {
      enabled: true,
      requireEmailVerification: settings.AUTH_REQUIRE_VERIFIED_EMAIL,
      // Whoever resets a password may do so because somebody else knows it.
      revokeSessionsOnPasswordReset: true,
      password: {
        hash: (password) => Bun.password.hash(password, ARGON2),
        verify: ({ hash, password }) => Bun.password.verify(password, hash),
      },
      sendResetPassword: ({ user, url }) =>
        mailer.send({
          to: user.email,
          subject: 'Choose a new password',
          text: `Follow this link to choose a new password:\n\n${url}\n\nIf you did not ask for it, nothing has changed.`,
        }),
    },
    emailVerification: {
      sendOnSignUp: true,
      sendVerificationEmail: ({ user, url }) =>
        mailer.send({
          to: user.email,
          subject: 'Confirm your address',
          text: `Follow this link to confirm your address:\n\n${url}`,
        }),
    },
    plugins: [
      // Only signed tokens: one that was read from the database is worth nothing.
      bearer({ requireSignature: true }),
      apiKey({ enableSessionForAPIKeys: true, defaultPrefix: 'key_', rateLimit: { enabled: false } }),
    ],
  });
}
