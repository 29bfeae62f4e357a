import { z } from 'zod';
import { parseKeyRing } from '../common/crypto/encryption.js';
import { googleApiSettings } from '../google/google.settings.js';
import { loadConfig } from './load-config.js';
import { databaseSettings, migrationSettings, serviceSettings } from './settings.js';

export { configOrExit } from './load-config.js';

const limit = z.coerce.number().int().min(1).max(1_000_000);

/** 32 bytes in hexadecimal, several with commas between; `dev_` marks one that production refuses. */
const keys = z
  .string()
  .transform((text) => text.split(',').map((key) => key.trim()))
  .pipe(
    z.array(z.string().regex(/^(dev_)?[0-9a-f]{64}$/, 'must be 64 hexadecimal digits: openssl rand -hex 32')),
  );

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
    DATABASE_TRANSACTION_TIMEOUT_MS: z.coerce.number().int().min(100).max(600_000).default(10_000),
    RATE_LIMIT_USER_MAX: limit.default(300).describe('requests per user and window'),
    RATE_LIMIT_ORGANIZATION_MAX: limit.default(3_000).describe('requests per organization and window'),
    REDIS_URL: z
      .url({ protocol: /^rediss?$/, error: 'must be a redis:// URL' })
      .describe('Valkey or Redis, e.g. redis://localhost:6379'),
    REDIS_PREFIX: z
      .string()
      .regex(/^[\w-]+$/, 'must be letters, digits, - and _')
      .default(serviceSettings.OTEL_SERVICE_NAME.parse(undefined))
      .describe('begins the names of keys, so that services can share a Valkey'),
    WORKER_IN_API: z
      .stringbool()
      .default(true)
      .describe('whether the process of the API runs jobs as well; see start:worker'),
    WORKER_PORT: z.coerce
      .number()
      .int()
      .min(1)
      .max(65_535)
      .default(9_464)
      .describe('where a worker in a process of its own serves /metrics and /health/live'),
    SYNC_INTERVAL_SECONDS: z.coerce
      .number()
      .int()
      .min(60)
      .max(7 * 86_400)
      .default(3_600)
      .describe('how often each connection is synced'),
    BULL_BOARD_PASSWORD: z
      .string()
      .min(24, 'must be 24 characters at least: openssl rand -hex 32')
      .optional()
      .describe('opens Bull Board at /admin/queues for the user admin'),
  })
  .extend({
    FIREBASE_PROJECT_ID: z.string().min(1).describe('the Firebase project whose ID tokens are taken'),
    FIREBASE_AUTH_EMULATOR_HOST: z
      .string()
      .optional()
      .describe('host:port of an issuer of unsigned tokens, for development and tests'),
    AUTH_CACHE_SECONDS: z.coerce.number().int().min(0).max(300).default(30),
    SERVICE_TOKEN_KEYS: keys.default([]).describe('keys that other services sign their tokens with'),
    ENCRYPTION_KEYS: keyRing.describe('the keys that tokens of Google are stored under'),
    GOOGLE_CLIENT_ID: z.string().min(1).optional().describe('the OAuth client of this service at Google'),
    GOOGLE_CLIENT_SECRET: z.string().min(1).optional(),
    GOOGLE_REDIRECT_URI: z
      .url()
      .optional()
      .describe('where Google sends users back to: a page of the front end'),
    GOOGLE_BASE_URL: z.url().optional().describe("stands in for all of Google's hosts, in tests"),
    ...googleApiSettings,
    SERVICE_TOKEN_AUDIENCE: z.string().min(1).default(serviceSettings.OTEL_SERVICE_NAME.parse(undefined)),
  })
  .refine(
    ({ NODE_ENV, FIREBASE_AUTH_EMULATOR_HOST }) =>
      NODE_ENV !== 'production' || FIREBASE_AUTH_EMULATOR_HOST === undefined,
    {
      path: ['FIREBASE_AUTH_EMULATOR_HOST'],
      message: 'cannot be set in production: its tokens are not signed',
    },
  )
  .refine(({ NODE_ENV, GOOGLE_BASE_URL }) => NODE_ENV !== 'production' || GOOGLE_BASE_URL === undefined, {
    path: ['GOOGLE_BASE_URL'],
    message: 'cannot be set in production',
  })
  .refine(
    (config) =>
      new Set([config.GOOGLE_CLIENT_ID, config.GOOGLE_CLIENT_SECRET, config.GOOGLE_REDIRECT_URI].map(Boolean))
        .size === 1,
    {
      path: ['GOOGLE_CLIENT_ID'],
      message: 'needs GOOGLE_CLIENT_SECRET and GOOGLE_REDIRECT_URI beside it, and they need it',
    },
  )
  .refine(({ NODE_ENV, RATE_LIMIT_ENABLED }) => NODE_ENV !== 'production' || RATE_LIMIT_ENABLED, {
    path: ['RATE_LIMIT_ENABLED'],
    message: 'cannot be false in production',
  });

const { NODE_ENV, OTEL_SERVICE_NAME } = serviceSettings;
const migrationSchema = z.object({
  ...databaseSettings,
  ...migrationSettings,
  NODE_ENV,
  OTEL_SERVICE_NAME,
});

/** For what is required: fit for reading the service's decorators, and for nothing that connects. */
export const PLACEHOLDERS = {
  DATABASE_URL: 'postgresql://nobody@localhost/none',
  REDIS_URL: 'redis://localhost',
  ENCRYPTION_KEYS: '0'.repeat(64),
  FIREBASE_PROJECT_ID: 'none',
  FIREBASE_AUTH_EMULATOR_HOST: 'localhost:1',
};

/** The running service's settings; `.env.example` documents each. */
export type Config = Readonly<z.output<typeof schema>>;

/** The settings of the commands that change the schema. */
export type MigrationConfig = Readonly<z.output<typeof migrationSchema>>;

/** @throws ConfigError that names every missing or malformed variable */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig(schema, env);
}

/** @throws ConfigError that names every missing or malformed variable */
export function readMigrationConfig(env: NodeJS.ProcessEnv = process.env): MigrationConfig {
  return loadConfig(migrationSchema, env);
}
