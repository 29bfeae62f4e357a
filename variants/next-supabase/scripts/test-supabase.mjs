#!/usr/bin/env node
// @ts-check
/**
 * Runs the tests against the Supabase that `npx supabase start` has running, in place of the embedded one:
 *
 *     npx supabase start && npm run test:supabase
 *
 * Valkey is started for the tests, unless REDIS_URL names one.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Of the launcher of the embedded Supabase. */
const NOT_HERE = 'test/stack/launcher.spec.ts';

const status = spawnSync(join(root, 'node_modules', '.bin', 'supabase'), ['status', '--output', 'env'], {
  cwd: root,
  encoding: 'utf8',
  env: { ...process.env, SUPABASE_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
});
/** @type {Record<string, string>} */
const told = Object.fromEntries(
  [...(status.stdout ?? '').matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, name, value]) => [name, value]),
);
const { API_URL, DB_URL, PUBLISHABLE_KEY, ANON_KEY, SECRET_KEY, SERVICE_ROLE_KEY } = told;
if (status.status !== 0 || !API_URL || !DB_URL) {
  process.stderr.write(
    `There is no Supabase to test against. It needs Docker: npx supabase start\n${status.stderr ?? status.error}\n`,
  );
  process.exit(1);
}

// The role as whom the service connects comes from supabase/roles.sql and has no password there.
const password = randomBytes(24).toString('hex');
const owner = new pg.Client(DB_URL);
await owner.connect();
await owner.query(`ALTER ROLE api LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
await owner.end();
const database = new URL(DB_URL);
database.username = 'api';
database.password = password;

const { status: code } = spawnSync(
  process.execPath,
  [
    'scripts/services.mjs',
    '--ephemeral',
    '--',
    process.execPath,
    'node_modules/vitest/vitest.mjs',
    'run',
    '--exclude',
    NOT_HERE,
    ...process.argv.slice(2),
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      SUPABASE_URL: API_URL,
      SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY ?? ANON_KEY,
      SUPABASE_SECRET_KEY: SECRET_KEY ?? SERVICE_ROLE_KEY,
      DATABASE_URL: database.href,
      MIGRATION_DATABASE_URL: DB_URL,
    },
  },
);
process.exitCode = code ?? 1;
