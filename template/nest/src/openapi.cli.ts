import 'reflect-metadata';
import { readFile, writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
[% if variant != 'nest-prisma' -%]
import { FastifyAdapter } from '@nestjs/platform-fastify';
[% endif -%]
import { pino } from 'pino';
import { AppModule } from './app.module.js';
import { assertOperationIds } from './common/http/operation-ids.js';
import { PLACEHOLDERS, readConfig } from './config/config.js';
import { createOpenApiDocument } from './openapi.js';

/** Beside the root's package.json, from where npm runs scripts. */
const FILE = 'openapi.json';

/** Preview mode reads the decorators and makes no provider: no database is needed. */
async function render(): Promise<string> {
  const config = readConfig({ NODE_ENV: 'test', ...PLACEHOLDERS });
  const module = AppModule.forRoot(config, pino({ enabled: false }));
  const app = await NestFactory.create(module, [% if variant != 'nest-prisma' %]new FastifyAdapter(), [% endif %]{ preview: true, logger: false });
  const document = createOpenApiDocument(app);
  // Each is the name of the controller's method.
  assertOperationIds(document.paths);
  return `${JSON.stringify(document, null, 2)}\n`;
}

const [option, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (option !== undefined && option !== '--check')) {
  process.stderr.write('usage: npm run openapi [-- --check]\n');
  process.exit(2);
}
const document = await render();
if (option === undefined) {
  await writeFile(FILE, document);
} else if ((await readFile(FILE, 'utf8').catch(() => '')) !== document) {
  process.stderr.write('openapi.json is stale: run `npm run openapi` and commit it.\n');
  process.exitCode = 1;
}
