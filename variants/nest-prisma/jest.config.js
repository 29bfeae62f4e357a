/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  // Sources import each other by the names that they have when compiled.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'] },
  transform: { '\\.ts$': '<rootDir>/test/support/transform.js' },
  setupFiles: ['<rootDir>/test/support/preload.js'],
  setupFilesAfterEnv: ['<rootDir>/test/support/no-calls-in-transactions.ts'],
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  testTimeout: 60_000,
  // Much of what the tests do is waiting, so no core is left free.
  maxWorkers: '100%',
  // A file that failed half-way leaves connections open, which would keep the process for ever.
  forceExit: true,
};
