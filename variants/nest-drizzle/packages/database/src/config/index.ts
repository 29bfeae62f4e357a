import { z } from 'zod';
import { ConfigError, loadConfig } from './load-config.js';
import { databaseSettings, migrationSettings } from './settings.js';

export { ConfigError, loadConfig } from './load-config.js';
export { databaseSettings, serviceSettings } from './settings.js';

const migrationSchema = z.object({ ...databaseSettings, ...migrationSettings });

/** The settings of the commands that change the schema. */
export type MigrationConfig = Readonly<z.output<typeof migrationSchema>>;

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
