// Node itself loads this file, so it is JavaScript, and takes what `npm test` has compiled.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrate } from '../../dist/database/migrate.js';

/** Migrates one database, once, which test files copy. `npm test` runs under `scripts/services.mjs`, which starts the server. */
export default async function setup() {
  const { DATABASE_URL: url, MIGRATION_DATABASE_URL: ownerUrl = url } = process.env;
  if (url === undefined || ownerUrl === undefined) {
    throw new Error('DATABASE_URL is not set: run the tests by `npm test`, which starts a server for them.');
  }
  const name = `template_${randomBytes(6).toString('hex')}`;
  const server = new pg.Client(ownerUrl);
  await server.connect();
  await server.query(`CREATE DATABASE ${name}`);
  const inTemplate = (/** @type {string} */ text) => Object.assign(new URL(text), { pathname: name }).href;
  await migrate(inTemplate(ownerUrl), inTemplate(url));
  process.env.TEST_TEMPLATE = name;
  Object.assign(globalThis, { server });
}
