import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { locatePostgrest } from '../../scripts/services/supabase/postgrest.mjs';

/** Runs the launcher with nothing in its environment but these variables. */
function services(env: Record<string, string>) {
  const { PATH = '', HOME = '' } = process.env;
  return spawnSync(process.execPath, ['scripts/services.mjs', '--ephemeral', '--json'], {
    env: { PATH, HOME, ...env } as unknown as NodeJS.ProcessEnv,
    encoding: 'utf8',
  });
}

describe('the embedded Supabase', () => {
  it('is not started where SUPABASE_URL is set', () => {
    const env = {
      SUPABASE_URL: 'https://project.supabase.co',
      SUPABASE_PUBLISHABLE_KEY: 'sb_publishable_x',
      DATABASE_URL: 'postgres://api:x@db.example.com/postgres',
      REDIS_URL: 'redis://cache.example.com',
    };
    const { status, stdout, stderr } = services(env);
    expect([status, JSON.parse(stdout)]).toEqual([0, env]);
    expect(stderr).toContain('Nothing to start');
  });

  it('is not mixed with a database that it did not start', () => {
    const { status, stderr } = services({
      DATABASE_URL: 'postgres://api:x@db.example.com/postgres',
      REDIS_URL: 'redis://cache.example.com',
    });
    expect(status).toBe(1);
    expect(stderr).toContain('DATABASE_URL is set, and SUPABASE_URL is not');
  });
});

describe('PostgREST', () => {
  const { platform, arch } = process;

  afterEach(() => {
    Object.defineProperty(process, 'platform', { value: platform });
    Object.defineProperty(process, 'arch', { value: arch });
  });

  it.each([
    ['freebsd', 'x64', /no program for freebsd-x64/],
    ['win32', 'arm64', /no program for win32-arm64/],
    ['darwin', 'arm64', /Rosetta 2/],
  ])('says on %s-%s what to do instead', (otherPlatform, otherArch, words) => {
    Object.defineProperty(process, 'platform', { value: otherPlatform });
    Object.defineProperty(process, 'arch', { value: otherArch });
    const locate = () => locatePostgrest(process.cwd());
    expect(locate).toThrow(words);
    expect(locate).toThrow(/npx supabase start/);
  });
});
