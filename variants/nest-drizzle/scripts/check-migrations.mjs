#!/usr/bin/env node
// @ts-check
/**
 * Fails if the schema of the code and the last migration's snapshot disagree, if the journal lacks a migration, which then
 * would never be applied, or if the snapshots are not one chain. No database is needed.
 */
import process from 'node:process';
import { describeFaults, findDrift, findFaults } from './migrations.mjs';

const faults = findFaults();
if (faults.length > 0) {
  process.stderr.write(describeFaults(faults));
  process.exit(1);
}

const missing = await findDrift();
if (missing.length > 0) {
  process.stderr.write(
    `db: the schema has what no migration brings:\n${missing.map((sql) => `  ${sql}\n`).join('')}` +
      'Write the migration with: npm run db:generate -- a_name_for_it\n',
  );
  process.exitCode = 1;
}
