import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { readMigrationConfig } from '../../src/config/config.js';
import { ownerDataSource } from '../../src/database/data-source.js';
import { migrate } from '../../src/database/migrate.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The name of a migrated database that test files copy. */
    template: string;
  }
}

/** Migrates one database, once. `npm test` runs under `scripts/services.mjs`, which starts the server. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const { DATABASE_URL, MIGRATION_DATABASE_URL = DATABASE_URL } = readMigrationConfig();
  const template = `template_${randomBytes(6).toString('hex')}`;
  const server = new pg.Client(MIGRATION_DATABASE_URL);
  await server.connect();
  await server.query(`CREATE DATABASE ${template}`);

  const url = new URL(MIGRATION_DATABASE_URL);
  url.pathname = template;
  const owner = ownerDataSource(readMigrationConfig({ ...process.env, MIGRATION_DATABASE_URL: url.href }));
  await owner.initialize();
  await migrate(owner, DATABASE_URL);
  await owner.destroy();

  provide('template', template);
  return async () => {
    await server.query(`DROP DATABASE ${template} WITH (FORCE)`);
    await server.end();
  };
}
