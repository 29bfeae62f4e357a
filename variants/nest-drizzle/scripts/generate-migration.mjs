#!/usr/bin/env node
// @ts-check
/**
 * Writes a migration for what the schema has that the migrations have not.
 *
 *     npm run db:generate -- add_invoices
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { migrationName } from './migration-name.mjs';

const FOLDER = 'packages/database/migrations';
const BREAK = '--> statement-breakpoint';

const name = migrationName();
const migrations = () => readdirSync(FOLDER).filter((file) => file.endsWith('.sql'));

/**
 * Drizzle has no word for FORCE, without which policies do not hold for the owner of a table.
 *
 * @param {string} sql
 */
function forced(sql) {
  const tables = [...sql.matchAll(/^CREATE TABLE "(\w+)"/gm)].map((match) => match[1]);
  return [sql, ...tables.map((table) => `ALTER TABLE "${table}" FORCE ROW LEVEL SECURITY;`)].join(
    `${BREAK}\n`,
  );
}

const before = new Set(migrations());
const drizzle = ['node_modules/drizzle-kit/bin.cjs', 'generate'];
const { status } = spawnSync(
  process.execPath,
  [...drizzle, '--config', 'packages/database/drizzle.config.ts', '--name', name],
  { stdio: 'inherit' },
);
if (status !== 0) process.exit(status ?? 1);
const file = migrations().find((entry) => !before.has(entry));
if (file !== undefined) {
  const path = `${FOLDER}/${file}`;
  writeFileSync(path, `${forced(readFileSync(path, 'utf8').trimEnd().replaceAll('\t', '  '))}\n`);
  process.stdout.write(`Review ${path}, then: npm run db:migrate\n`);
}
