#!/usr/bin/env node
// @ts-check
/**
 * Writes openapi.json from what the route handlers declare; with --check it fails where the file is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FILE = join(root, 'openapi.json');

/** The routes are TypeScript with this project's aliases: Vite reads them as Vitest does. */
async function render() {
  const { module } = await runnerImport(join(root, 'lib/openapi/routes.ts'), {
    root,
    configFile: false,
    logLevel: 'error',
    resolve: { alias: { '@': root } },
  });
  const { name, description, version, license } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  return `${JSON.stringify(module.document({ title: name, description, version, license }), null, 2)}\n`;
}

function current() {
  try {
    return readFileSync(FILE, 'utf8');
  } catch {
    return '';
  }
}

const [option, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (option !== undefined && option !== '--check')) {
  process.stderr.write('usage: npm run openapi [-- --check]\n');
  process.exit(2);
}
const document = await render();
if (option === undefined) {
  writeFileSync(FILE, document);
} else if (current() !== document) {
  process.stderr.write('openapi.json is stale: run `npm run openapi` and commit it.\n');
  process.exitCode = 1;
}
