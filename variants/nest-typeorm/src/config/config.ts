import { z } from 'zod';
import { loadConfig } from './load-config.js';
import { databaseSettings, migrationSettings, serviceSettings } from './settings.js';

export { configOrExit } from './load-config.js';

const schema = z
  .object({
    ...serviceSettings,
    ...databaseSettings,
    PURCHASE_GROUP_MAX: z.coerce.number().int().min(1).max(1_000).default(100),
    PURCHASE_QUEUE_MAX: z.coerce.number().int().min(1).max(100_000).default(1_000),
  })
  .refine(({ NODE_ENV, RATE_LIMIT_ENABLED }) => NODE_ENV !== 'production' || RATE_LIMIT_ENABLED, {
    path: ['RATE_LIMIT_ENABLED'],
    message: 'cannot be false in production',
  });

const { OTEL_SERVICE_NAME } = serviceSettings;
const migrationSchema = z.object({
  ...databaseSettings,
  ...migrationSettings,
  OTEL_SERVICE_NAME,
});

/** For what is required: fit for reading the service's decorators, and for nothing that connects. */
export const PLACEHOLDERS = { DATABASE_URL: 'postgresql://nobody@localhost/none' };

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
