import { z } from 'zod';
import { parseKeyRing } from '../encryption.js';
import { configOrExit, loadConfig } from './load-config.js';
import { databaseSettings, migrationSettings, serviceSettings } from './settings.js';

export { configOrExit };

const keyRing = z.string().transform((text, context) => {
  try {
    return parseKeyRing(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});

const schema = z
  .object({
    ...serviceSettings,
    ...databaseSettings,
    REDIS_URL: z.url({ protocol: /^rediss?$/ }).describe('Valkey or Redis, e.g. redis://localhost:6379'),
    PUBLIC_URL: z
      .url({ protocol: /^https?$/ })
      .describe(
        'where clients reach this service, e.g. https://api.example.com: cookies and links in mails need it',
      ),

    AUTH_SECRET: z.string().min(32).describe('signs sessions: openssl rand -hex 32'),
    AUTH_REQUIRE_VERIFIED_EMAIL: z.stringbool().default(true),
    LOGIN_ATTEMPTS_MAX: z.coerce.number().int().min(1).max(1_000).default(10),
    LOGIN_ATTEMPTS_WINDOW_SECONDS: z.coerce.number().int().min(1).max(86_400).default(900),

    SMTP_URL: z
      .url({ protocol: /^smtps?$/ })
      .optional()
      .describe(
        'what sends mails, e.g. smtps://user:password@mail.example.com; without it they go to MAIL_FOLDER',
      ),
    MAIL_FROM: z.string().min(3).default('no-reply@localhost'),
    MAIL_FOLDER: z.string().min(1).default('.data/mail'),

    ENCRYPTION_KEYS: keyRing.describe(
      'openssl rand -hex 32; after a rotation the older keys too, with commas between',
    ),
  })
  .refine(({ NODE_ENV, RATE_LIMIT_ENABLED }) => NODE_ENV !== 'production' || RATE_LIMIT_ENABLED, {
    path: ['RATE_LIMIT_ENABLED'],
    message: 'cannot be false in production',
  })
  .refine(({ NODE_ENV, SMTP_URL }) => NODE_ENV !== 'production' || SMTP_URL !== undefined, {
    path: ['SMTP_URL'],
    message: 'is needed in production: mails hold links that must not lie in a folder',
  });

const migrationSchema = z.object({ ...databaseSettings, ...migrationSettings });

/** For what is required: fit for describing the service, and for nothing that connects. */
export const PLACEHOLDERS = {
  DATABASE_URL: 'postgresql://nobody@localhost/none',
  REDIS_URL: 'redis://localhost',
  PUBLIC_URL: 'http://localhost',
  AUTH_SECRET: '0'.repeat(64),
  ENCRYPTION_KEYS: '1'.repeat(64),
};

/** The running service's settings; `.env.example` documents each. */
export type Config = Readonly<z.output<typeof schema>>;

/** @throws ConfigError that names every missing or malformed variable */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig(schema, env);
}

/** What the commands for the database need. */
export type MigrationConfig = Readonly<z.output<typeof migrationSchema>>;

/** @throws ConfigError that names every missing or malformed variable */
export function readMigrationConfig(env: NodeJS.ProcessEnv = process.env): MigrationConfig {
  return loadConfig(migrationSchema, env);
}
