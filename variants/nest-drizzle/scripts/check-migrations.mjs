#!/usr/bin/env node
// @ts-check
/** Fails where the schema of the code and the last migration's snapshot disagree. No database is needed. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { isDeepStrictEqual } from 'node:util';
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import * as schema from '../packages/database/dist/schema/index.js';

const META = 'packages/database/migrations/meta';

/** @param {string} file */
const read = (file) => JSON.parse(readFileSync(`${META}/${file}`, 'utf8'));

/** @param {Record<string, unknown>} snapshot */
const contents = ({ id, prevId, ...rest }) => JSON.parse(JSON.stringify(rest));

const { idx } = read('_journal.json').entries.at(-1);
const migrated = read(`${String(idx).padStart(4, '0')}_snapshot.json`);
const wanted = generateDrizzleJson(schema, migrated.id);
if (!isDeepStrictEqual(contents(migrated), contents(wanted))) {
  // Where something may have been renamed, Drizzle asks, which needs a terminal: `db:generate` has one.
  const missing = await generateMigration(migrated, wanted).catch(() => [
    '(something was renamed or replaced)',
  ]);
  process.stderr.write(
    `db: the schema has what no migration brings:\n${missing.map((sql) => `  ${sql}\n`).join('')}` +
      'Write the migration with: npm run db:generate -- a_name_for_it\n',
  );
  process.exitCode = 1;
}
