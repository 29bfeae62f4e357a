#!/usr/bin/env node
// @ts-check
/** Makes the Prisma client out of the schema in prisma/ where that has changed, and compiles src/ to dist/. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import process from 'node:process';

const SCHEMA = 'prisma';
const CLIENT = 'src/generated/prisma/client.ts';

/** @param {string[]} args */
function run(args) {
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}

const changed = readdirSync(SCHEMA, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.prisma'))
  .map((name) => statSync(`${SCHEMA}/${name}`).mtimeMs);
if (!existsSync(CLIENT) || statSync(CLIENT).mtimeMs < Math.max(...changed)) {
  run(['node_modules/prisma/build/index.js', 'generate', '--no-hints']);
}
run(['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
