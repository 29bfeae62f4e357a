import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { databaseUrls, inDatabase } from './database.js';
import { migrateDatabase } from './migrate.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The name of a migrated database that test files copy. */
    template: string;
  }
}

/** Migrates one database, once. `npm test` runs under `scripts/services.mjs`, which starts the server. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const { ownerUrl, url } = databaseUrls();
  const template = `template_${randomBytes(6).toString('hex')}`;
  const server = new pg.Client(ownerUrl);
  await server.connect();
  await server.query(`CREATE DATABASE ${template}`);
  await migrateDatabase(inDatabase(ownerUrl, template), inDatabase(url, template));
  provide('template', template);
  return async () => {
    await server.query(`DROP DATABASE ${template}`);
    await server.end();
  };
}
