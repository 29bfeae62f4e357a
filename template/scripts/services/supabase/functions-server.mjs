// Run by Deno: `deno run functions-server.mjs <folder> <port>`. Serves `<folder>/NAME/handler.ts` at `/NAME`; the
// handler is read again when it is edited.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const [folder, port] = process.argv.slice(2);
const known = new Set(
  (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
    .map(({ name }) => name),
);

Deno.serve({ hostname: '127.0.0.1', port: Number(port), onListen: () => {} }, async (request) => {
  const [, name = ''] = new URL(request.url).pathname.split('/');
  if (!known.has(name)) return Response.json({ message: 'There is no such function.' }, { status: 404 });
  const file = join(folder, name, 'handler.ts');
  const { mtimeMs } = await stat(file);
  const { handle } = await import(`${pathToFileURL(file)}?${mtimeMs}`);
  return handle(request);
});
