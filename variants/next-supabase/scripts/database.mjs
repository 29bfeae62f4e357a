#!/usr/bin/env node
// @ts-check
/**
 * What the database is made of, through Supabase's own CLI, and as the service needs it:
 *
 *     node scripts/database.mjs migrate [--seed]   supabase db push: roles.sql, migrations (and seed.sql)
 *     node scripts/database.mjs seed               seed.sql alone
 *     node scripts/database.mjs reset              deletes all data, then migrates and seeds; not in production
 *     node scripts/database.mjs types [--check]    writes lib/database.types.ts, or fails where it is stale
 *     node scripts/database.mjs check              migrates an empty database, then checks types, policies and advisors
 *
 * It runs as the role of MIGRATION_DATABASE_URL.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const TYPES = join(root, 'lib', 'database.types.ts');
/** `MIGR` in ASCII, the key of an advisory lock: processes that migrate the same database wait for each other. */
const MIGRATION_LOCK = 0x4d494752;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Something the reader can mend. */
class CommandError extends Error {}

const { DATABASE_URL: appUrl = '', MIGRATION_DATABASE_URL: ownerUrl = appUrl } = process.env;

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {string} what it printed
 */
function run(command, args) {
  const program = join(root, 'node_modules', '.bin', command);
  const { HOME, PATH, ...rest } = process.env;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...rest,
      HOME,
      PATH,
      SUPABASE_TELEMETRY_DISABLED: '1',
      DO_NOT_TRACK: '1',
      // The embedded PostgreSQL speaks no TLS, and the CLI would warn of it each time.
      ...(LOOPBACK.includes(new URL(ownerUrl).hostname) && { PGSSLMODE: process.env.PGSSLMODE ?? 'disable' }),
    },
  });
  if (status !== 0) {
    throw new CommandError(
      `${command} ${args[0]} ${args[1]} failed:\n${error?.message ?? `${stderr}${stdout}`}`,
    );
  }
  return stdout;
}

/** @param {string} command @param {...string} args */
const supabase = (command, ...args) =>
  run('supabase', [...command.split(' '), ...args, `--remote=${ownerUrl}`]);

/**
 * @template T
 * @param {(client: pg.Client) => Promise<T>} work
 */
async function asOwner(work) {
  const client = new pg.Client(ownerUrl);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Opens a transaction that holds the migration lock. It polls: a waiting statement has a snapshot, for whose end the other
 * process's CREATE INDEX CONCURRENTLY waits.
 *
 * @param {pg.Client} client
 */
async function lockMigrations(client) {
  for (;;) {
    await client.query('BEGIN');
    const { rows } = await client.query('SELECT pg_try_advisory_xact_lock($1) AS locked', [MIGRATION_LOCK]);
    if (rows[0].locked) break;
    await client.query('ROLLBACK');
    await sleep(200);
  }
  await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
}

/** @param {boolean} seed */
async function migrate(seed) {
  await asOwner(async (client) => {
    await lockMigrations(client);
    // An update brings migrations that are older than the newest one of the service.
    supabase('db push', '--include-all', '--include-roles', ...(seed ? ['--include-seed'] : []), '--yes');
    const login = decodeURIComponent(new URL(appUrl || ownerUrl).username);
    const { rows } = await client.query('SELECT current_user AS self');
    if (login === rows[0].self) {
      throw new CommandError(
        'DATABASE_URL and MIGRATION_DATABASE_URL name the same role. The service must connect with one that owns nothing.',
      );
    }
    if (login !== 'api') await client.query(`GRANT api TO ${pg.escapeIdentifier(login)}`);
    await client.query('COMMIT');
  });
}

async function seed() {
  await asOwner((client) => client.query(readFileSync(join(root, 'supabase', 'seed.sql'), 'utf8')));
}

async function reset() {
  const { hostname } = new URL(ownerUrl);
  const { NODE_ENV = LOOPBACK.includes(hostname) ? 'development' : 'production' } = process.env;
  if (NODE_ENV === 'production') {
    throw new CommandError(
      `db:reset deletes all data on ${hostname}; production refuses it. If it is none: NODE_ENV=development`,
    );
  }
  await asOwner(async (client) => {
    await client.query('DELETE FROM auth.users');
    const { rows } = await client.query(
      "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('public', 'private')",
    );
    if (rows.length > 0) await client.query(`TRUNCATE ${rows.map(({ name }) => name).join(', ')} CASCADE`);
  });
  await migrate(false);
  await seed();
}

/** @param {boolean} check */
async function types(check) {
  const generated = supabase('gen types', '--lang', 'typescript', '--schema', 'public');
  const draft = join(root, 'lib', 'database.types.ts');
  const before = readOrEmpty(draft);
  writeFileSync(draft, `// Written by \`npm run db:types\`. Do not edit it.\n${generated}`);
  run('biome', ['format', '--write', draft]);
  const after = readOrEmpty(draft);
  if (!check || before === after) return;
  writeFileSync(TYPES, before);
  const made = new Set(after.split('\n'));
  const unknown = before.split('\n').filter((line) => !made.has(line));
  throw new CommandError(
    [
      'lib/database.types.ts is not what the migrations make. Run npm run db:types, or, where a migration is missing,',
      'npm run db:generate -- its_name, and write it.',
      ...(unknown.length > 0 ? ['No migration makes:', ...unknown.slice(0, 10)] : []),
    ].join('\n'),
  );
}

/** @param {string} file */
function readOrEmpty(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** What Supabase's advisors do not ask: row-level security also holds for the owner, and each command has its policy. */
async function policies() {
  const faults = await asOwner(async (client) => {
    const { rows } = await client.query(`
      SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relforcerowsecurity AS forced,
        (SELECT count(*) FROM pg_policy AS p WHERE p.polrelid = c.oid) AS policies
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname IN ('public', 'private') AND c.relkind IN ('r', 'p')
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid))`);
    return rows;
  });
  if (faults.length === 0) return;
  const lines = faults.map(
    ({ name, forced, policies }) => `  ${name}: FORCE ${forced ? 'on' : 'off'}, ${policies} policies`,
  );
  throw new CommandError(`Tables without row-level security, FORCE and a policy:\n${lines.join('\n')}`);
}

async function check() {
  await migrate(true);
  await types(true);
  await policies();
  supabase('db advisors', '--level', 'warn', '--fail-on', 'warn');
}

const COMMANDS = {
  migrate: async (/** @type {string[]} */ options) => migrate(options.includes('--seed')),
  seed,
  reset,
  types: async (/** @type {string[]} */ options) => {
    await migrate(false);
    await types(options.includes('--check'));
  },
  check,
};

const OPTIONS = { migrate: ['--seed'], types: ['--check'] };

/** @param {string[]} argv */
async function main([name = '', ...options]) {
  const command = COMMANDS[/** @type {keyof typeof COMMANDS} */ (name)];
  const known = OPTIONS[/** @type {keyof typeof OPTIONS} */ (name)] ?? [];
  if (!command || options.some((option) => !known.includes(option))) {
    process.stderr.write(
      'usage: node scripts/database.mjs migrate [--seed] | seed | reset | types [--check] | check\n',
    );
    return 2;
  }
  if (!ownerUrl)
    throw new CommandError(
      'MIGRATION_DATABASE_URL is not set. Run this by npm, for example: npm run db:migrate',
    );
  await command(options);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
