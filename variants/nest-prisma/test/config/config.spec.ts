import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { readConfig } from '../../src/config/config.js';

const REQUIRED = {
  DATABASE_URL: 'postgresql://app:password@localhost:5432/app',
  REDIS_URL: 'redis://localhost:6379',
  FIREBASE_PROJECT_ID: 'acme',
  ENCRYPTION_KEYS: 'a1'.repeat(32),
};

it('needs the servers, a Firebase project and a key, and is strict where it is not told otherwise', () => {
  expect(readConfig(REQUIRED)).toMatchObject({
    NODE_ENV: 'production',
    RATE_LIMIT_ENABLED: true,
    AUTH_CACHE_SECONDS: 30,
    SERVICE_TOKEN_KEYS: [],
    DATABASE_LOCK_TIMEOUT_MS: 2_000,
    CORS_ORIGINS: [],
    TRUST_PROXY: false,
  });
  for (const name of Object.keys(REQUIRED)) {
    expect(() => readConfig({ ...REQUIRED, [name]: '' })).toThrow(`${name} is missing`);
  }
});

it.each<[string, Record<string, string>]>([
  ['FIREBASE_AUTH_EMULATOR_HOST', { FIREBASE_AUTH_EMULATOR_HOST: 'localhost:9099' }],
  ['GOOGLE_BASE_URL', { GOOGLE_BASE_URL: 'http://localhost:1' }],
  ['RATE_LIMIT_ENABLED', { RATE_LIMIT_ENABLED: 'false' }],
])('refuses %s in production, and takes it elsewhere', (name, settings) => {
  expect(() => readConfig({ ...REQUIRED, ...settings })).toThrow(name);
  readConfig({ ...REQUIRED, ...settings, NODE_ENV: 'test' });
});

it.each<[string, Record<string, string>]>([
  ['SERVICE_TOKEN_KEYS', { SERVICE_TOKEN_KEYS: 'short' }], // pragma: allowlist secret
  ['SERVICE_TOKEN_KEYS', { SERVICE_TOKEN_KEYS: `dev_${'0'.repeat(64)}` }],
  ['ENCRYPTION_KEYS', { ENCRYPTION_KEYS: `dev_${'0'.repeat(64)}` }],
  ['ENCRYPTION_KEYS', { ENCRYPTION_KEYS: 'zz' }],
  ['REDIS_URL', { REDIS_URL: 'http://localhost' }],
  ['REDIS_PREFIX', { REDIS_PREFIX: 'a b' }],
  ['GOOGLE_CLIENT_ID', { GOOGLE_CLIENT_ID: '1.apps.googleusercontent.com' }],
  ['AUTH_CACHE_SECONDS', { AUTH_CACHE_SECONDS: '3600' }],
])('refuses a %s that is no good, and does not repeat it', (name, settings) => {
  const read = () => readConfig({ ...REQUIRED, ...settings });
  expect(read).toThrow(name);
  expect(read).not.toThrow(new RegExp(Object.values(settings)[0] ?? ''));
});

it('is documented in .env.example, every setting of it', () => {
  const documented = new Set(
    [...readFileSync('.env.example', 'utf8').matchAll(/^#?([A-Z0-9_]+)=/gm)].map(([, name]) => name),
  );
  // GOOGLE_BASE_URL is for this service's own tests.
  const names = Object.keys(readConfig(REQUIRED)).filter((name) => documented.has(name) === false);
  expect(names).toEqual([]);
});
