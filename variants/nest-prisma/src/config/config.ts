import { z } from 'zod';
import { loadConfig } from './load-config.js';
import { databaseSettings, migrationSettings, serviceSettings } from './settings.js';

export { configOrExit } from './load-config.js';

const schema = z
  .object({
    ...serviceSettings,
    ...databaseSettings,
    DATABASE_TRANSACTION_TIMEOUT_MS: z.coerce.number().int().min(100).max(600_000).default(10_000),
    REDIS_URL: z
      .url({ protocol: /^rediss?$/, error: 'must be a redis:// URL' })
      .describe('Valkey or Redis, e.g. redis://localhost:6379'),
    REDIS_PREFIX: z
      .string()
      .regex(/^[\w-]+$/, 'must be letters, digits, - and _')
      .default(serviceSettings.OTEL_SERVICE_NAME.parse(undefined))
      .describe('begins the names of keys, so that services can share a Valkey'),
  })
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
