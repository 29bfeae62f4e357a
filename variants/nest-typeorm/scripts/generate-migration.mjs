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
