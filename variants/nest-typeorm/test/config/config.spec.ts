import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Config, readConfig } from '../../src/config/config.js';
import { ConfigError } from '../../src/config/load-config.js';

const DATABASE_URL = 'postgresql://app:password@localhost:5432/app';

it('needs nothing but the database, and is strict where it is not told otherwise', () => {
  expect(readConfig({ DATABASE_URL })).toMatchObject({
    NODE_ENV: 'production',
    RATE_LIMIT_ENABLED: true,
    PURCHASE_GROUP_MAX: 100,
    PURCHASE_QUEUE_MAX: 1_000,
    DATABASE_LOCK_TIMEOUT_MS: 2_000,
    DATABASE_STATEMENT_TIMEOUT_MS: 5_000,
    DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: 10_000,
    BODY_LIMIT_BYTES: 1_048_576,
    CORS_ORIGINS: [],
    TRUST_PROXY: false,
  });
});

it('lets the rate limit be switched off only outside production', () => {
  expect(() => readConfig({ DATABASE_URL, RATE_LIMIT_ENABLED: 'false' })).toThrow(ConfigError);
  expect(readConfig({ DATABASE_URL, NODE_ENV: 'test', RATE_LIMIT_ENABLED: 'false' }).RATE_LIMIT_ENABLED).toBe(
    false,
  );
});

it.each([
  ['DATABASE_URL', 'mysql://localhost/app'],
  ['DATABASE_URL', 'localhost'],
  ['PORT', '70000'],
  ['PORT', 'http'],
  ['CORS_ORIGINS', 'https://app.example.com/path'],
  ['CORS_ORIGINS', '*'],
  ['PURCHASE_GROUP_MAX', '0'],
  ['PURCHASE_QUEUE_MAX', '-1'],
  ['DATABASE_LOCK_TIMEOUT_MS', '0'],
  ['LOG_LEVEL', 'loud'],
  ['TRUST_PROXY', 'everyone'],
])('refuses %s=%s and names it', (name, value) => {
  expect(() => readConfig({ DATABASE_URL, [name]: value })).toThrow(name);
});

it('reads lists', () => {
  const config: Config = readConfig({
    DATABASE_URL,
    CORS_ORIGINS: 'https://a.example.com, http://localhost:5173',
    TRUST_PROXY: '10.0.0.0/8, 192.168.1.1',
  });
  expect(config.CORS_ORIGINS).toEqual(['https://a.example.com', 'http://localhost:5173']);
  expect(config.TRUST_PROXY).toEqual(['10.0.0.0/8', '192.168.1.1']);
});

it('is documented in .env.example, each setting with its default', () => {
  const example = readFileSync('.env.example', 'utf8');
  const defaults = readConfig({ DATABASE_URL });
  for (const [name, value] of Object.entries(defaults)) {
    const [line] = example.match(new RegExp(`^#?${name}=.*$`, 'm')) ?? [];
    expect(line, name).toBeDefined();
    if (['number', 'boolean'].includes(typeof value)) expect(line?.split('=')[1], name).toBe(String(value));
  }
});
