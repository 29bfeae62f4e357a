import { createApp } from './app.js';
import { PLACEHOLDERS, readConfig } from './shared/lib/config/config.js';
import { assertOperationIds } from './shared/lib/http/operation-ids.js';

const FILE = new URL('../../../openapi.json', import.meta.url).pathname;

/** The routes are registered and nothing is connected to: no database is needed. */
async function render(): Promise<string> {
  const app = await createApp(readConfig({ NODE_ENV: 'test', LOG_LEVEL: 'silent', ...PLACEHOLDERS }));
  await app.ready();
  const document = app.swagger() as { readonly paths: object };
  await app.close();
  assertOperationIds(document.paths);
  return `${JSON.stringify(document, null, 2)}\n`;
}

const [option, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (option !== undefined && option !== '--check')) {
  process.stderr.write('usage: bun run openapi [--check]\n');
  process.exit(2);
}
const document = await render();
const file = Bun.file(FILE);
if (option === undefined) {
  await file.write(document);
} else if (!(await file.exists()) || (await file.text()) !== document) {
  process.stderr.write('openapi.json is stale: run `bun run openapi` and commit it.\n');
  process.exitCode = 1;
}
