import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defineConfig } from 'prisma/config';

/**
 * Whether the install script of Prisma's engines has put the native schema engine there. package.json does not allow it,
 * since it downloads from outside of the package registry.
 */
function hasNativeEngine(): boolean {
  const prisma = createRequire(createRequire(import.meta.url).resolve('prisma/package.json'));
  const folder = dirname(prisma.resolve('@prisma/engines/package.json'));
  return readdirSync(folder).some((name) => name.startsWith('schema-engine-'));
}

// Windows cannot run a script as a program: there Prisma downloads its native engine.
if (process.platform !== 'win32' && !hasNativeEngine()) {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= join(import.meta.dirname, 'scripts/schema-engine.mjs');
}

export default defineConfig({
  schema: 'prisma',
  migrations: { path: 'prisma/migrations' },
  // Where none is set, Prisma says so itself; `generate` needs none.
  datasource: { url: process.env.MIGRATION_DATABASE_URL ?? process.env.DATABASE_URL ?? '' },
});
