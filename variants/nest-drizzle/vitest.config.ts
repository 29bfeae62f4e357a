import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.spec.ts'],
    globalSetup: ['packages/database/test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Much of what the tests do is waiting, so no core is left free.
    maxWorkers: '100%',
  },
});
