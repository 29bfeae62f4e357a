import { defineConfig } from 'drizzle-kit';

// Paths are relative to the root, where `bun run` starts it.
export default defineConfig({
  dialect: 'postgresql',
  schema: './apps/api/src/shared/db/schema/index.ts',
  out: './apps/api/src/shared/db/migrations',
});
