import { z } from 'zod';
import { loadConfig } from './load-config.js';
import { databaseSettings, migrationSettings } from './settings.js';

export { ConfigError, configOrExit, loadConfig } from './load-config.js';
export { databaseSettings, serviceSettings } from './settings.js';

const migrationSchema = z.object({ ...databaseSettings, ...migrationSettings });

/** The settings of the commands that change the schema. */
export type MigrationConfig = Readonly<z.output<typeof migrationSchema>>;

/** @throws ConfigError that names every missing or malformed variable */
export function readMigrationConfig(env: NodeJS.ProcessEnv = process.env): MigrationConfig {
  return loadConfig(migrationSchema, env);
}
