import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.spec.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // Waiting for a lock or for 400 purchases is a matter of seconds on a slow machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Much of what the tests do is waiting, so no core is left free.
    maxWorkers: '100%',
  },
});
