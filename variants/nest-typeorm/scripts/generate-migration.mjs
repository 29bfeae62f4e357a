#!/usr/bin/env node
// @ts-check
/**
 * Writes a migration for what the entities have that the migrations have not, and the list of all migrations.
 *
 *     npm run db:generate -- AddSeatRows [--allow-data-loss]
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { assertNoDataLoss } from './data-loss.mjs';
import { migrationArguments } from './migration-name.mjs';
import { LauncherError } from './services/errors.mjs';

const FOLDER = 'src/database/migrations';

/** Numbers by size: of two types, PostgreSQL converts the first to the second exactly. */
const NUMBERS = ['smallint', 'integer', 'bigint', 'numeric'];
const TEXT = /^(text|citext|character|varchar|char)/i;

/** @param {string[]} command */
function run(...command) {
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** What leads from the database, which is at the last migration, to the entities. */
async function difference() {
  const compiled = '../dist/database/data-source.js';
  const { default: dataSource } = await import(compiled);
  await dataSource.initialize();
  try {
    /** @type {{ upQueries: Query[], downQueries: Query[] }} */
    const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log();
    return convertedInPlace(upQueries, downQueries);
  } finally {
    await dataSource.destroy();
  }
}

/** @typedef {{ query: string, parameters?: unknown[], isExact?: boolean }} Query */

/**
 * TypeORM drops a column that changes its type and adds it again, empty. Where PostgreSQL converts each value without a
 * loss, or refuses to, the pair becomes an `ALTER COLUMN ... TYPE ... USING`.
 *
 * @param {Query[]} up
 * @param {Query[]} down
 */
function convertedInPlace(up, down) {
  const types = new Map(
    down.flatMap(({ query }) => addition(query) ?? []).map((old) => [old.column, old.type]),
  );
  return up.flatMap((/** @type {Query} */ step) => {
    const drop = droppedColumn(step.query);
    const added = addition(step.query);
    const isConverted = (/** @type {string} */ column) => {
      const next = up.flatMap(({ query }) => addition(query) ?? []).find((other) => other.column === column);
      return next !== undefined && isExact(types.get(column), next.type);
    };
    if (drop !== undefined && isConverted(drop)) return [];
    const isDropped = up.some(({ query }) => droppedColumn(query) === added?.column);
    if (added === undefined || !isDropped || !isConverted(added.column)) return [step];
    const { table, name, type, required, fallback } = added;
    // By way of text, a value that is too long is an error. An explicit cast would cut it.
    const value = /^(character|varchar|char)/i.test(type) ? `${name}::text` : `${name}::${type}`;
    const changes = [
      'DROP DEFAULT',
      `TYPE ${type} USING ${value}`,
      `${required ? 'SET' : 'DROP'} NOT NULL`,
      ...(fallback === undefined ? [] : [`SET DEFAULT ${fallback}`]),
    ].map((change) => `ALTER COLUMN ${name} ${change}`);
    return [{ query: `ALTER TABLE ${table} ${changes.join(', ')}`, isExact: true }];
  });
}

/** @param {string} query */
function droppedColumn(query) {
  const [, table, name] = /^ALTER TABLE (\S+) DROP COLUMN ("[^"]+")$/.exec(query) ?? [];
  return table === undefined ? undefined : `${table}.${name}`;
}

/** @param {string} query */
function addition(query) {
  const [, table, name, type, required, fallback] =
    /^ALTER TABLE (\S+) ADD ("[^"]+") (.+?)( NOT NULL)?(?: DEFAULT (.+))?$/s.exec(query) ?? [];
  if (table === undefined || name === undefined || type === undefined) return undefined;
  return { column: `${table}.${name}`, table, name, type, required: required !== undefined, fallback };
}

/**
 * @param {string | undefined} from
 * @param {string} to
 */
function isExact(from, to) {
  if (from === undefined || /\b(GENERATED|SERIAL|COLLATE|UNIQUE|CONSTRAINT)\b/i.test(to)) return false;
  if (TEXT.test(from) || TEXT.test(to)) return true;
  const [smaller, larger] = [NUMBERS.indexOf(from.toLowerCase()), NUMBERS.indexOf(to.toLowerCase())];
  return smaller >= 0 && larger > smaller;
}

/**
 * The file of a migration. There is no way back but forward: on data that people rely on, nobody would run a `down` that drops
 * what `up` has added.
 *
 * @param {string} className
 * @param {Query[]} steps
 */
function source(className, steps) {
  const calls = steps.map(({ query, parameters }) => {
    const text = query.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${');
    const values = parameters?.length ? `, ${JSON.stringify(parameters)}` : '';
    return `await queryRunner.query(\`${text}\`${values});`;
  });
  return `import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ${className} implements MigrationInterface {
  name = '${className}';

  async up(queryRunner: QueryRunner): Promise<void> {
    ${calls.join('\n    ')}
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: write a new one that undoes this one.');
  }
}
`;
}

/** The files of all migrations, in the order in which they are applied. */
function files() {
  return readdirSync(FOLDER)
    .flatMap((file) => {
      const [, stamp, name] = /^(\d+)-(\w+)\.ts$/.exec(file) ?? [];
      return stamp === undefined || name === undefined ? [] : [{ stamp: Number(stamp), name, file }];
    })
    .sort((one, other) => one.stamp - other.stamp);
}

/** The whole list, from the names of the files. */
function index() {
  const all = files().map(({ stamp, name, file }) => ({ className: `${name}${stamp}`, file }));
  const imports = all.map(
    ({ className, file }) => `import { ${className} } from './${file.replace(/\.ts$/, '.js')}';`,
  );
  return `${imports.join('\n')}

/** In the order in which they are applied. \`npm run db:generate\` writes this file. */
export const migrations = [${all.map(({ className }) => className).join(', ')}];
`;
}

const { name, allowsDataLoss } = migrationArguments({
  style: 'PascalCase',
  pattern: /^[A-Z][A-Za-z0-9]+$/,
  example: 'AddSeatRows',
});
try {
  run('dist/database/cli.js', 'migrate');
  const steps = await difference();
  if (steps.length === 0) {
    throw new LauncherError('The migrations have all that the entities have: there is nothing to write.');
  }
  assertNoDataLoss(
    steps.filter(({ isExact }) => isExact !== true).map(({ query }) => query),
    allowsDataLoss,
  );
  // After the newest one in any case: the clock that named that may have been ahead.
  const stamp = Math.max(Date.now(), (files().at(-1)?.stamp ?? 0) + 1);
  const file = `${FOLDER}/${stamp}-${name}.ts`;
  writeFileSync(file, source(`${name}${stamp}`, steps));
  writeFileSync(`${FOLDER}/index.ts`, index());
  run('node_modules/@biomejs/biome/bin/biome', 'check', '--write', FOLDER);
  process.stdout.write(`Review ${file}, then: npm run db:migrate\n`);
} catch (error) {
  if (!(error instanceof LauncherError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
