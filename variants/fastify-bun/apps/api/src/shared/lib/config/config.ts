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
    ENCRYPTION_KEYS: keyRing.describe(
      'openssl rand -hex 32; after a rotation the older keys too, with commas between',
    ),
  })
  .refine(({ NODE_ENV, RATE_LIMIT_ENABLED }) => NODE_ENV !== 'production' || RATE_LIMIT_ENABLED, {
    path: ['RATE_LIMIT_ENABLED'],
    message: 'cannot be false in production',
  });

const migrationSchema = z.object({ ...databaseSettings, ...migrationSettings });

/** For what is required: fit for describing the service, and for nothing that connects. */
export const PLACEHOLDERS = {
  DATABASE_URL: 'postgresql://nobody@localhost/none',
  REDIS_URL: 'redis://localhost',
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
