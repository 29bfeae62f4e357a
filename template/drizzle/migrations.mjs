// @ts-check
/** What the scripts read of the migrations: the journal, the snapshots, and the schema of the code. No database is needed. */
import { readdirSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import * as schema from '[[ "../apps/api/src/shared/db/schema/index.ts" if variant == "fastify-bun" else "../packages/database/dist/schema/index.js" ]]';

export const FOLDER = '[[ "apps/api/src/shared/db" if variant == "fastify-bun" else "packages/database" ]]/migrations';
export const META = `${FOLDER}/meta`;
export const JOURNAL = `${META}/_journal.json`;
const SNAPSHOT = '_snapshot.json';

/** @typedef {{ idx: number, tag: string, when: number }} Entry */
/** @typedef {ReturnType<typeof generateDrizzleJson>} Snapshot */

/** @param {number} idx */
export const prefixOf = (idx) => String(idx).padStart(4, '0');

/** @param {number} idx */
export const snapshotPath = (idx) => `${META}/${prefixOf(idx)}${SNAPSHOT}`;

/** @param {string} path */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** @returns {{ entries: Entry[] }} */
export const readJournal = () => read(JOURNAL);

/** Lists the files of the snapshots in their order. */
export const snapshotFiles = () =>
  readdirSync(META)
    .filter((file) => file.endsWith(SNAPSHOT))
    .sort();

/** @param {string[]} names */
const repeated = (names) => new Set(names.filter((name, index) => names.indexOf(name) !== index));

/**
 * Returns what is wrong with the journal and the snapshots, a line each. Drizzle applies no migration without an entry, and
 * generates none from snapshots that are not one chain, for which it exits with 0.
 */
export function findFaults() {
  /** @type {string[]} */
  const faults = [];
  /** @type {Entry[]} */
  let entries = [];
  /** @type {Map<string, string>} */
  const successors = new Map();
  try {
    entries = readJournal().entries;
    for (const file of snapshotFiles()) {
      const { prevId } = read(`${META}/${file}`);
      const other = successors.get(prevId);
      if (other !== undefined) faults.push(`${other} and ${file} both follow the same snapshot`);
      successors.set(prevId, file);
    }
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  const tags = entries.map(({ tag }) => tag);
  const files = readdirSync(FOLDER).flatMap((file) => (file.endsWith('.sql') ? [file.slice(0, -4)] : []));
  const times = repeated(entries.map(({ when }) => String(when)));
  const numbers = repeated(entries.map(({ idx }) => String(idx)));
  return [
    ...files.filter((file) => !tags.includes(file)).map((file) => `${file}.sql has no entry`),
    ...tags.filter((tag) => !files.includes(tag)).map((tag) => `${tag} has no file`),
    ...[...repeated(tags)].map((tag) => `${tag} is listed twice`),
    ...[...times].map((when) => `two migrations have the time ${when}`),
    ...[...numbers].map((idx) => `two migrations have the number ${idx} (idx)`),
    ...faults,
  ];
}

/** @param {readonly string[]} faults */
export function describeFaults(faults) {
  return (
    `db: journal and snapshots in ${META} do not fit the migrations:\n` +
    `${faults.map((fault) => `  ${fault}\n`).join('')}` +
    'The journal lists each migration once, with its own number (idx) and time (when).\n' +
    'After an update of the template: settle the conflicts (keep the entries of both sides in the journal, any side of\n' +
    'a snapshot), then name your own migrations in the order in which they are applied:\n' +
    '  [[ "bun run db:rebase" if variant == "fastify-bun" else "npm run db:rebase --" ]] 0003_add_invoices\n'
  );
}

/** @param {string} [previous] the id of the snapshot before */
export const snapshotOfSchema = (previous) => generateDrizzleJson(schema, previous);

/** @param {Snapshot} snapshot */
const contents = ({ id, prevId, ...rest }) => JSON.parse(JSON.stringify(rest));

/** Returns the statements that the next migration would hold; none if schema and migrations agree. */
export async function findDrift() {
  const { idx = 0 } = readJournal().entries.at(-1) ?? {};
  /** @type {Snapshot} */
  const migrated = read(snapshotPath(idx));
  const wanted = snapshotOfSchema(migrated.id);
  if (isDeepStrictEqual(contents(migrated), contents(wanted))) return [];
  // If something may have been renamed, Drizzle asks, which needs a terminal: `db:generate` has one.
  return generateMigration(migrated, wanted).catch(() => ['(something was renamed or replaced)']);
}
