import { expect, it } from '[[ test_api ]]';
import { z } from 'zod';
import { ConfigError, loadConfig } from '../../src/[[ config_folder ]]/load-config.js';

const schema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('production'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(3_000),
  SECRET: z.string().min(3).describe('signs the sessions'),
  URL_OF_DATABASE: z.url().optional(),
});

const GOOD = { NODE_ENV: 'test', SECRET: 'a good one' }; // pragma: allowlist secret

/** What the error says of each offender. */
function offenders(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(schema, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.offenders;
    throw error;
  }
  return [];
}

it('gives a typed and frozen object with its defaults', () => {
  const config = loadConfig(schema, { ...GOOD, PORT: '8080', UNKNOWN: 'ignored' });
  expect(config).toEqual({ NODE_ENV: 'test', PORT: 8_080, SECRET: 'a good one' }); // pragma: allowlist secret
  expect(() => Object.assign(config, { PORT: 1 })).toThrow(TypeError);
});

it('names every offender at once, and no value', () => {
  const found = offenders({ NODE_ENV: 'staging', PORT: '99999', URL_OF_DATABASE: 'hunter2' });
  expect(found.map((line) => line.split(/[ :]/, 1)[0])).toEqual([
    'NODE_ENV',
    'PORT',
    'SECRET',
    'URL_OF_DATABASE',
  ]);
  expect(found).toContain('SECRET is missing (signs the sessions)');
  expect(found.join()).not.toContain('hunter2');
});

it('takes an empty variable for one that is not set', () => {
  expect(offenders({ ...GOOD, SECRET: '' })).toEqual(['SECRET is missing (signs the sessions)']);
  expect(loadConfig(schema, { ...GOOD, PORT: '' }).PORT).toBe(3_000);
});

it.each(['dev_0123456789', '<secret>'])(
  'refuses the secret %s in production, and where NODE_ENV is not set',
  (SECRET) => {
    const expected = ['SECRET holds a secret made for development; production needs one of its own'];
    expect(offenders({ NODE_ENV: 'production', SECRET })).toEqual(expected);
    expect(offenders({ SECRET })).toEqual(expected);
    expect(offenders({ NODE_ENV: 'development', SECRET })).toEqual([]);
  },
);

it('finds a development secret as the password of a URL', () => {
  const URL_OF_DATABASE = 'postgresql://app:dev_0123@localhost/app'; // pragma: allowlist secret
  expect(offenders({ SECRET: 'a good one', URL_OF_DATABASE })[0]).toContain('URL_OF_DATABASE'); // pragma: allowlist secret
});
