#!/usr/bin/env [[ "bun" if variant == "fastify-bun" else "node" ]]
// @ts-check
/**
 * Puts your own migrations after the template's, if an update has brought some:
 *
 *     [[ "bun run db:rebase" if variant == "fastify-bun" else "npm run db:rebase --" ]] 0003_add_invoices
 *
 * Renumbers them, and keeps their times, by which a database knows them as applied. Writes one snapshot for all of them:
 * that of the schema in the code.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import {
  describeFaults,
  FOLDER,
  findFaults,
  JOURNAL,
  META,
  prefixOf,
  readJournal,
  snapshotFiles,
  snapshotOfSchema,
  snapshotPath,
} from './migrations.mjs';

/** @param {string} message */
function fail(message) {
  process.stderr.write(message);
  return process.exit(1);
}

const named = new Set(process.argv.slice(2).map((name) => name.replace(/^.*\//, '').replace(/\.sql$/, '')));
/** @type {ReturnType<typeof readJournal> | undefined} */
let read;
try {
  read = readJournal();
} catch (error) {
  fail(`db: ${error}\nSettle the conflicts there: keep the entries of both sides.\n`);
}
const journal = /** @type {ReturnType<typeof readJournal>} */ (read);
const unknown = [...named].filter((name) => !journal.entries.some(({ tag }) => tag === name));
if (named.size === 0 || unknown.length > 0)
  fail(
    `db: ${unknown.length > 0 ? `${JOURNAL} has no ${unknown.join(', ')}` : 'no migration is named'}.\n` +
      'Name your own migrations, as the journal has them: [[ "bun run db:rebase" if variant == "fastify-bun" else "npm run db:rebase --" ]] 0003_add_invoices\n',
  );

const others = journal.entries.filter(({ tag }) => !named.has(tag));
const own = journal.entries.filter(({ tag }) => named.has(tag));
const numbers = others.map(({ idx }) => idx);
const first = Math.max(-1, ...numbers) + 1;
const moved = own.map((entry, index) => {
  const idx = first + index;
  return { ...entry, idx, tag: `${prefixOf(idx)}_${entry.tag.replace(/^\d+_/, '')}` };
});
const missing = own.filter(({ tag }) => !existsSync(`${FOLDER}/${tag}.sql`));
if (missing.length > 0) fail(`db: ${missing.map(({ tag }) => `${FOLDER}/${tag}.sql not found\n`).join('')}`);

// By another name first: the new name of one may be the old name of another.
for (const { tag } of own) renameSync(`${FOLDER}/${tag}.sql`, `${FOLDER}/${tag}.moved`);
for (const [index, { tag }] of own.entries())
  renameSync(`${FOLDER}/${tag}.moved`, `${FOLDER}/${moved[index]?.tag}.sql`);
writeFileSync(JOURNAL, `${JSON.stringify({ ...journal, entries: [...others, ...moved] }, null, 2)}\n`);

// Drizzle compares with the last snapshot only. Of a number that both sides had, the file may be either side's.
const shared = own.map(({ idx }) => idx).filter((idx) => numbers.includes(idx));
const kept = new Set(numbers.filter((idx) => !shared.includes(idx)).map((idx) => snapshotPath(idx)));
for (const file of snapshotFiles()) if (!kept.has(`${META}/${file}`)) rmSync(`${META}/${file}`);
const last = snapshotFiles().at(-1);
const previous = last === undefined ? undefined : JSON.parse(readFileSync(`${META}/${last}`, 'utf8')).id;
const path = snapshotPath(first + own.length - 1);
writeFileSync(path, `${JSON.stringify(snapshotOfSchema(previous), null, 2)}\n`);

const faults = findFaults();
if (faults.length > 0) fail(describeFaults(faults));
for (const [index, { tag }] of own.entries()) process.stdout.write(`${tag} is ${moved[index]?.tag}\n`);
process.stdout.write(`${path} has the schema of the code. Check it with: [[ "bun" if variant == "fastify-bun" else "npm" ]] run db:check\n`);
