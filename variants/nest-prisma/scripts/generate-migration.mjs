#!/usr/bin/env node
// @ts-check
/**
 * Writes a migration for what the schema in prisma/ has and the migrations have not, and adds what Prisma does not write: time-outs,
 * and row-level security of new tables.
 *
 *     npm run db:generate -- add_invoices [--allow-data-loss]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { assertNoDataLoss } from './data-loss.mjs';
import { migrationArguments } from './migration-name.mjs';
import { LauncherError } from './services/errors.mjs';

const FOLDER = 'prisma/migrations';
const LIMITS = `-- Nothing waits for a lock without an end, and nothing runs for hours unnoticed.
SET lock_timeout = '5s';
SET statement_timeout = '60s';
`;
const OWN = '"organization_id" = current_organization_id()';

const { name, allowsDataLoss } = migrationArguments();
/** What leads from the migrations to the schema, in SQL; empty where nothing is missing. */
function difference() {
  const paths = ['--from-migrations', FOLDER, '--to-schema', 'prisma'];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['node_modules/prisma/build/index.js', 'migrate', 'diff', ...paths, '--script', '--exit-code'],
    { encoding: 'utf8', env: { ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: '1', NO_COLOR: '1' } },
  );
  if (status === 0) return '';
  if (status === 2) return stdout.trimEnd();
  process.stderr.write(`${stdout}${stderr}`.trim().concat('\n'));
  process.exit(1);
}

/**
 * Behind the filters of src/database/isolation.ts. A table that belongs to no organization gets its policies by hand.
 *
 * @param {string} sql
 */
function rowLevelSecurity(sql) {
  const tables = [...sql.matchAll(/^CREATE TABLE "(\w+)" \(([\s\S]*?)^\);/gm)];
  return tables.flatMap(([, table, columns]) => [
    `ALTER TABLE "${table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;`,
    ...(columns?.includes('"organization_id"')
      ? [`CREATE POLICY "${table}_of_organization" ON "${table}" USING (${OWN});`]
      : []),
  ]);
}

/** The time, in UTC; after the newest migration in any case, since Prisma applies them in the order of their names. */
function timestamp() {
  const now = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const newest = readdirSync(FOLDER)
    .map((entry) => /^\d{14}/.exec(entry)?.[0] ?? '')
    .reduce((one, other) => (one > other ? one : other), '');
  return newest < now ? now : String(BigInt(newest) + 1n);
}

const sql = difference();
if (sql === '') {
  process.stderr.write('The migrations have all that the schema has: there is nothing to write.\n');
  process.exit(1);
}
try {
  assertNoDataLoss([sql], allowsDataLoss);
} catch (error) {
  if (!(error instanceof LauncherError)) throw error;
  process.stderr.write(`db: ${error.message}\n`);
  process.exit(1);
}
const policies = rowLevelSecurity(sql);
const path = `${FOLDER}/${timestamp()}_${name}`;
mkdirSync(path);
writeFileSync(
  `${path}/migration.sql`,
  `${[LIMITS, sql.trimStart(), ...(policies.length > 0 ? ['', ...policies] : [])].join('\n')}\n`,
);
process.stdout.write(`Review ${path}/migration.sql, then: npm run db:migrate\n`);
