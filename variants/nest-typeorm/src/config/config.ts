import { z } from 'zod';
import { ConfigError, loadConfig } from './load-config.js';
import { databaseSettings, migrationSettings, serviceSettings } from './settings.js';

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
const migrationSchema = z.object({ ...databaseSettings, ...migrationSettings, OTEL_SERVICE_NAME });

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

/** Reads the configuration, or stops the process with an error that names what is wrong. */
export function configOrExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
