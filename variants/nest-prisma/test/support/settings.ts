import { randomUUID } from 'node:crypto';

/** What a test of this service needs to be set beside what every service needs. */
export const SETTINGS: Record<string, string> = {
  ENCRYPTION_KEYS: `dev_${'c3'.repeat(32)}`,
  FIREBASE_PROJECT_ID: 'demo-local',
  FIREBASE_AUTH_EMULATOR_HOST: process.env.FIREBASE_AUTH_EMULATOR_HOST ?? '',
  SERVICE_TOKEN_KEYS: `dev_${'0123456789abcdef'.repeat(4)}`,
  SERVICE_TOKEN_AUDIENCE: 'tests', // pragma: allowlist secret
  REDIS_URL: process.env.REDIS_URL ?? '',
  // Test files share a Valkey, and each has its own keys.
  REDIS_PREFIX: `test-${randomUUID()}`,
};
