import { defineConfig } from 'drizzle-kit';

// From the build, since drizzle-kit loads one file and knows nothing of workspaces. Paths are relative to the root.
export default defineConfig({
  dialect: 'postgresql',
  schema: './packages/database/dist/schema/index.js',
  out: './packages/database/migrations',
});
