import { afterAll, expect, it } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = new URL('../../..', import.meta.url).pathname;
const MODULES = 'apps/api/src/modules';

const ALLOWED = [
  ['routes.ts', './service.js'],
  ['service.ts', './repository.js'],
  ['service.ts', '../providers/types.js'],
  ['service.ts', '@fastify/error'],
  ['repository.ts', 'drizzle-orm'],
  ['repository.ts', '../../shared/db/schema/index.js'],
  ['answer.ts', 'ai'],
  ['index.ts', './repository.js'],
];

const REFUSED = [
  ['routes.ts', './repository.js'],
  ['routes.ts', 'drizzle-orm'],
  ['routes.ts', '../../shared/db/client.js'],
  ['routes.ts', '../providers/service.js'],
  ['service.ts', 'fastify'],
  ['service.ts', './routes.js'],
  ['service.ts', '../../shared/plugins/database.js'],
  ['service.ts', 'pg'],
  ['service.ts', '../../shared/db/schema/index.js'],
  ['service.ts', '../providers/repository.js'],
  ['repository.ts', './service.js'],
  ['repository.ts', 'fastify'],
  ['repository.ts', '../providers/repository.js'],
  ['schema.ts', './service.js'],
  ['types.ts', './repository.js'],
  ['types.ts', '../providers/service.js'],
  ['answer.ts', 'drizzle-orm'],
  ['answer.ts', './repository.js'],
  ['generations.ts', 'fastify'],
  ['stream-store.ts', '../providers/service.js'],
  ['a-new-file.ts', '../users/repository.js'],
  ['index.ts', '../users/service.js'],
];

/** Files outside of the modules, and what they may not import. */
const ELSEWHERE = [
  ['apps/api/src/shared/lib/tool.ts', '../../modules/chat/types.js'],
  ['apps/api/src/shared/plugins/tool.ts', '../../app.js'],
  ['packages/shared/src/one.ts', 'drizzle-orm'],
  ['packages/shared/src/two.ts', '../../../apps/api/src/app.js'],
];

const folder = await mkdtemp(join(tmpdir(), 'architecture-'));
afterAll(() => rm(folder, { recursive: true }));

/** The files, each with its one import, that `lint` refuses because of that. */
const refused = await (async () => {
  await Bun.write(join(folder, 'biome.json'), Bun.file(join(ROOT, 'biome.json')));
  await Bun.write(join(folder, '.gitignore'), 'node_modules\n');
  for (const [path = '', source = ''] of [
    ...inModules(ALLOWED, 'good'),
    ...inModules(REFUSED, 'bad'),
    ...ELSEWHERE,
  ])
    await Bun.write(join(folder, path), `import '${source}';\n`);
  const child = Bun.spawn(
    [
      process.execPath,
      '--bun',
      join(ROOT, 'node_modules/.bin/biome'),
      'lint',
      '--only=style/noRestrictedImports',
      '--max-diagnostics=none',
      '--colors=off',
      '.',
    ],
    { cwd: folder, stdout: 'pipe', stderr: 'pipe' },
  );
  const said = (await Promise.all([child.stdout.text(), child.stderr.text()])).join('');
  return new Set(
    said.matchAll(/^(\S+\.ts):\d+:\d+ lint\/style\/noRestrictedImports/gm).map(([, path]) => path),
  );
})();

/** A module of its own for each, so that each file has its name. */
function inModules(cases: string[][], name: string): string[][] {
  return cases.map(([file = '', source = ''], index) => [pathOf(name, index, file), source]);
}

function pathOf(name: string, index: number, file: string): string {
  return `${MODULES}/${name}-${index}/${file}`;
}

it.each(ALLOWED)('%s may import %s', (file, source) => {
  expect(refused).not.toContain(inModules(ALLOWED, 'good')[indexOf(ALLOWED, file, source)]?.[0]);
});

it.each(REFUSED)('%s may not import %s', (file, source) => {
  expect(refused).toContain(inModules(REFUSED, 'bad')[indexOf(REFUSED, file, source)]?.[0]);
});

function indexOf(cases: string[][], ...wanted: (string | undefined)[]): number {
  return cases.findIndex((one) => one.join() === wanted.join());
}

it.each(ELSEWHERE)('%s may not import %s', (file) => {
  expect(refused).toContain(file);
});
