import { randomUUID } from 'node:crypto';

/** What a test of this service needs to be set beside what every service needs. */
export const SETTINGS: Record<string, string> = {
  REDIS_URL: process.env.REDIS_URL ?? '',
  // Test files share a Valkey, and each has its own keys.
  REDIS_PREFIX: `test-${randomUUID()}`,
};
