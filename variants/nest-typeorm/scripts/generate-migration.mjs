#!/usr/bin/env node
// @ts-check
/**
 * Writes a migration for what the entities have that the migrations have not, and adds it to the list.
 *
 *     npm run db:generate -- AddSeatRows
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';

const FOLDER = 'src/database/migrations';
const [name = '', ...rest] = process.argv.slice(2);
if (!/^[A-Z][A-Za-z0-9]+$/.test(name) || rest.length > 0) {
  process.stderr.write('Give the migration one name in PascalCase: npm run db:generate -- AddSeatRows\n');
  process.exit(2);
}

/** @param {string[]} command */
function run(...command) {
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * TypeORM writes a `down` that drops what `up` has added. On data that people rely on, nobody would run it.
 *
 * @param {string} migration
 */
function forwardOnly(migration) {
  const down = /public async down\([\s\S]*?\n {4}\}/;
  if (!down.test(migration)) throw new Error('TypeORM writes `down` in another way than this script knows');
  const refusal = `throw new Error('Migrations go forward only: write a new one that undoes this one.');`;
  return migration
    .replace(down, `async down(): Promise<void> {\n ${refusal}\n }`)
    .replace('public async up', 'async up');
}

// The difference is taken to the database, so that must be at the last migration.
run('dist/database/cli.js', 'migrate');
const before = new Set(readdirSync(FOLDER));
run(
  'node_modules/typeorm/cli.js',
  'migration:generate',
  '--pretty',
  '-d',
  'dist/database/data-source.js',
  `${FOLDER}/${name}`,
);

const file = readdirSync(FOLDER).find((entry) => !before.has(entry));
if (file === undefined) throw new Error('TypeORM wrote no migration');
const timestamp = /^\d+/.exec(file)?.[0];
const path = `${FOLDER}/${file}`;
writeFileSync(path, forwardOnly(readFileSync(path, 'utf8')));
const index = `${FOLDER}/index.ts`;
const list = readFileSync(index, 'utf8');
writeFileSync(
  index,
  list
    .replace(/(?=\n\/\*\*)/, `import { ${name}${timestamp} } from './${file.replace(/\.ts$/, '.js')}';\n`)
    .replace(/\](?=;\s*$)/, `, ${name}${timestamp}]`),
);
run('node_modules/@biomejs/biome/bin/biome', 'check', '--write', FOLDER);
process.stdout.write(`Review ${FOLDER}/${file}, then: npm run db:migrate\n`);
