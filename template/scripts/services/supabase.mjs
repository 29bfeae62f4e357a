// @ts-check
/**
 * A Supabase that stands in for the real one in development and in tests, without Docker: PostgreSQL with Supabase's
 * roles and schemas, the real PostgREST, an Auth server that speaks the part of Supabase Auth's HTTP interface that
 * supabase-js uses for e-mail and password, edge functions under Deno, and a gateway that joins them at one URL under
 * Supabase's paths. It is never used where SUPABASE_URL is set, and it is not for production.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { readAccess } from './access.mjs';
import { LauncherError } from './errors.mjs';
import * as postgres from './postgres.mjs';
import { answers, isRunning, processIdentity, startServer, stopStranger } from './processes.mjs';
import { prepareDatabase } from './supabase/bootstrap.mjs';
import { readAuthSettings, readOpenFunctions } from './supabase/config.mjs';
import { startFunctions } from './supabase/functions.mjs';
import { keysOf } from './supabase/keys.mjs';
import { locatePostgrest } from './supabase/postgrest.mjs';

export const variable = 'SUPABASE_URL';
export const otherVariables = [
  'SUPABASE_PUBLISHABLE_KEY',
  'SUPABASE_SECRET_KEY',
  'DATABASE_URL',
  'MIGRATION_DATABASE_URL',
];

const GATEWAY = fileURLToPath(new URL('./supabase/gateway.mjs', import.meta.url));

/** @param {import('../services.mjs').ServerContext} context */
export async function start(context) {
  const { root, directory, slug, watchdog, progress } = context;
  if (process.env.DATABASE_URL) {
    throw new LauncherError(
      'DATABASE_URL is set, and SUPABASE_URL is not: the database and what stands before it belong together.\n' +
        'Set SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY and SUPABASE_SECRET_KEY as well, or unset DATABASE_URL.',
    );
  }
  const postgrestProgram = locatePostgrest(root);
  const settings = readAuthSettings(root);
  const keys = await keysOf(directory);

  const own = join(directory, 'postgres');
  mkdirSync(own, { recursive: true });
  const database = await postgres.start({ ...context, directory: own });
  const access = readAccess(own);
  const { DATABASE_URL, MIGRATION_DATABASE_URL } = database.env;
  /** @param {string} role @param {string} password */
  const urlOf = (role, password) => {
    const url = new URL(DATABASE_URL);
    url.username = role;
    url.password = password;
    return url.href;
  };
  await prepareDatabase({
    url: urlOf('postgres', access?.passwords.postgres ?? ''),
    owner: `${slug}_owner`,
    passwords: keys.passwords,
  });

  // What a launcher has left behind that was killed together with its watchdog.
  const pidFile = join(directory, 'postgrest.pid');
  const leftOver = readIfThere(pidFile);
  if (isRunning(leftOver)) await stopStranger(Number.parseInt(leftOver, 10), 'SIGTERM');

  progress('Supabase: starting PostgREST and Auth ...');
  const config = join(directory, 'postgrest.conf');
  const jwks = join(directory, 'jwks.json');
  writeFileSync(jwks, JSON.stringify(keys.jwks));
  const postgrest = await startServer({
    name: 'PostgREST',
    command: postgrestProgram,
    args: (port) => {
      const databaseUrl = urlOf('authenticator', keys.passwords.authenticator);
      writeFileSync(config, postgrestConfig({ databaseUrl, jwks, port }), { mode: 0o600 });
      return [config];
    },
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PGRST_'))),
    port: undefined,
    log: join(directory, 'postgrest.log'),
    watchdog,
    signal: 'TERM',
    isReady: (port) => answers(port, 'HEAD / HTTP/1.0\r\n\r\n', /^HTTP\/1\.\d 200/),
  });
  rmSync(pidFile, { force: true });
  writeFileSync(pidFile, processIdentity(postgrest.child.pid ?? 0) ?? '');

  const functionsFile = join(directory, 'functions.url');
  rmSync(functionsFile, { force: true });
  const gateway = await startServer({
    name: 'The Supabase gateway',
    command: process.execPath,
    args: (port) => [GATEWAY, `${port}`],
    env: {
      ...process.env,
      GATEWAY: JSON.stringify({
        databaseUrl: urlOf('supabase_auth_admin', keys.passwords.auth),
        restPort: postgrest.port,
        functionsFile,
        openFunctions: readOpenFunctions(root),
        keys,
        settings,
      }),
    },
    port: keys.port,
    log: join(directory, 'gateway.log'),
    watchdog,
    signal: 'TERM',
    isReady: (port) => answers(port, 'GET /auth/v1/health HTTP/1.0\r\n\r\n', /^HTTP\/1\.\d 200/),
  });
  keys.save(gateway.port);
  // One that ends takes the others along: the launcher hears of the gateway's end.
  for (const { child } of [database, postgrest]) child.once('exit', () => gateway.child.kill());
  const url = `http://127.0.0.1:${gateway.port}`;
  const project = {
    SUPABASE_URL: url,
    SUPABASE_PUBLISHABLE_KEY: keys.publishable,
    SUPABASE_SECRET_KEY: keys.secret,
  };
  const functions = await startFunctions(context, project, functionsFile);
  functions.child?.once('exit', () => gateway.child.kill());

  return {
    child: gateway.child,
    env: {
      ...project,
      ...functions.env,
      DATABASE_URL,
      MIGRATION_DATABASE_URL,
    },
  };
}

/**
 * A file, since everybody can read arguments.
 *
 * @param {{ databaseUrl: string, jwks: string, port: number }} what
 */
function postgrestConfig({ databaseUrl, jwks, port }) {
  const values = {
    'db-uri': databaseUrl,
    'db-schemas': 'public',
    'db-extra-search-path': 'public, extensions',
    'db-anon-role': 'anon',
    'db-max-rows': 1000,
    'jwt-secret': `@${jwks}`,
    'server-host': '127.0.0.1',
    'server-port': port,
    'log-level': 'warn',
  };
  return Object.entries(values)
    .map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`)
    .join('');
}

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
