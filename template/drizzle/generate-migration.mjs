#!/usr/bin/env [[ "bun" if variant == "fastify-bun" else "node" ]]
// @ts-check
/**
 * Writes a migration for what the schema has that the migrations have not.
 *
 *     [[ "bun run db:generate" if variant == "fastify-bun" else "npm run db:generate --" ]] add_invoices [--allow-data-loss]
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { assertNoDataLoss } from './data-loss.mjs';
import { migrationArguments } from './migration-name.mjs';
import {
  describeFaults,
  FOLDER,
  findDrift,
  findFaults,
  JOURNAL,
  readJournal,
  snapshotPath,
} from './migrations.mjs';
import { LauncherError } from './services/errors.mjs';

const { name, allowsDataLoss } = migrationArguments();
[%- if variant == "nest-drizzle" %]

/**
 * Drizzle has no word for FORCE, without which policies do not hold for the owner of a table.
 *
 * @param {string} sql
 */
function forced(sql) {
  const tables = [...sql.matchAll(/^CREATE TABLE "(\w+)"/gm)].map((match) => match[1]);
  return [sql, ...tables.map((table) => `ALTER TABLE "${table}" FORCE ROW LEVEL SECURITY;`)].join(
    '--> statement-breakpoint\n',
  );
}
[%- endif %]

const faults = findFaults();
if (faults.length > 0) {
  process.stderr.write(describeFaults(faults));
  process.exit(1);
}

const before = readFileSync(JOURNAL, 'utf8');
const drizzle = [[ "['--bun', 'node_modules/drizzle-kit/bin.cjs', 'generate']" if variant == "fastify-bun" else "['node_modules/drizzle-kit/bin.cjs', 'generate']" ]];
const { status } = spawnSync(
  process.execPath,
  [...drizzle, '--config', '[[ "apps/api" if variant == "fastify-bun" else "packages/database" ]]/drizzle.config.ts', '--name', name],
  { stdio: 'inherit' },
);
if (status !== 0) process.exit(status ?? 1);
const entry = readFileSync(JOURNAL, 'utf8') === before ? undefined : readJournal().entries.at(-1);
if (entry !== undefined) {
  const path = `${FOLDER}/${entry.tag}.sql`;
  const sql = readFileSync(path, 'utf8');
  try {
    assertNoDataLoss([sql], allowsDataLoss);
  } catch (error) {
    if (!(error instanceof LauncherError)) throw error;
    rmSync(path);
    rmSync(snapshotPath(entry.idx));
    writeFileSync(JOURNAL, before);
    process.stderr.write(`db: ${error.message}\n`);
    process.exit(1);
  }
[%- if variant == "nest-drizzle" %]
  writeFileSync(path, `${forced(sql.trimEnd().replaceAll('\t', '  '))}\n`);
[%- endif %]
  process.stdout.write(`Review ${path}, then: [[ "bun" if variant == "fastify-bun" else "npm" ]] run db:migrate\n`);
} else if ((await findDrift()).length > 0) {
  // Drizzle ends with 0 also if it has given up, or the question about a renamed column was not answered.
  process.stderr.write(
    'db: drizzle-kit wrote no migration, though the schema has changed. See its output above.\n',
  );
  process.exitCode = 1;
}
