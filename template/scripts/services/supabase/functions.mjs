// @ts-check
/** Edge functions under Deno, from the npm package `deno`. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { LauncherError, packageManager } from '../errors.mjs';
import { answers, startServer } from '../processes.mjs';

const SERVER = fileURLToPath(new URL('./functions-server.mjs', import.meta.url));

/**
 * Serves supabase/functions, and writes where to a file that the gateway reads.
 *
 * @param {import('../../services.mjs').ServerContext} context
 * @param {Record<string, string>} env what functions know of the project
 * @param {string} file
 * @returns {Promise<{ child?: import('node:child_process').ChildProcess, env: Record<string, string> }>} no child where
 *   there are no functions; the secrets that they have of their own
 */
export async function startFunctions({ root, directory, watchdog }, env, file) {
  const folder = join(root, 'supabase', 'functions');
  if (!existsSync(folder)) return { env: {} };
  const secrets = secretsOf(folder, directory);
  const { child, port } = await startServer({
    name: 'The edge functions',
    command: locateDeno(root),
    args: (port) => [
      ...['run', '--quiet', '--no-prompt', '--no-lock', '--allow-net', '--allow-env'],
      ...[`--allow-read=${folder}`, '--config', join(folder, 'deno.json'), SERVER, folder, `${port}`],
    ],
    env: {
      ...process.env,
      ...env,
      ...secrets,
      DENO_DIR: join(directory, 'deno'),
      DENO_NO_UPDATE_CHECK: '1',
    },
    port: undefined,
    log: join(directory, 'functions.log'),
    watchdog,
    signal: 'TERM',
    isReady: (port) => answers(port, 'GET / HTTP/1.0\r\n\r\n', /^HTTP\/1\.\d 404/),
  });
  writeFileSync(file, `http://127.0.0.1:${port}`);
  return { child, env: secrets };
}

/**
 * A secret for each `NAME=<secret>` of the functions' .env.example that the environment does not have, the same from start
 * to start.
 *
 * @param {string} folder
 * @param {string} directory
 * @returns {Record<string, string>}
 */
function secretsOf(folder, directory) {
  const example = join(folder, '.env.example');
  if (!existsSync(example)) return {};
  const file = join(directory, 'functions.json');
  const stored = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const names = [...readFileSync(example, 'utf8').matchAll(/^(\w+)=<secret>$/gm)].map(([, name = '']) => name);
  const secrets = Object.fromEntries(
    names.map((name) => [name, process.env[name] || stored[name] || randomBytes(32).toString('base64')]),
  );
  writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

/**
 * Deno's own program: what the package `deno` calls would start it as a child that nobody stops.
 *
 * @param {string} root
 */
function locateDeno(root) {
  const { platform, arch } = process;
  try {
    const deno = createRequire(join(root, 'package.json')).resolve('deno/package.json');
    const name = `@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`;
    const folder = dirname(createRequire(deno).resolve(`${name}/package.json`));
    const program = join(folder, `deno${platform === 'win32' ? '.exe' : ''}`);
    if ((statSync(program).mode & 0o555) !== 0o555) chmodSync(program, 0o755);
    return program;
  } catch {
    throw new LauncherError(
      `There is no Deno for supabase/functions on ${platform}-${arch}: the package deno is not installed (${packageManager} install).`,
    );
  }
}
