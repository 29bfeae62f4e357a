import pg from 'pg';
import { findTenancyFaults } from './check.js';
import { configOrExit, readMigrationConfig } from './config/index.js';
import { migrate } from './migrate.js';
import { assertMayReset } from './safeguards.js';
import { seed } from './seed.js';

const USAGE = 'usage: node packages/database/dist/cli.js migrate [--seed] | seed | reset | check';

const {
  DATABASE_URL,
  MIGRATION_DATABASE_URL = DATABASE_URL,
  DATABASE_LOCK_TIMEOUT_MS,
  MIGRATION_STATEMENT_TIMEOUT_MS,
} = configOrExit(readMigrationConfig);

async function runMigrations(): Promise<void> {
  const applied = await migrate({
    ownerUrl: MIGRATION_DATABASE_URL,
    appUrl: DATABASE_URL,
    lockTimeoutMs: DATABASE_LOCK_TIMEOUT_MS,
    statementTimeoutMs: MIGRATION_STATEMENT_TIMEOUT_MS,
  });
  say(applied === 0 ? 'the schema is up to date' : `applied ${applied} migrations`);
}

async function runSeed(): Promise<void> {
  if ((await asOwner(seed)) > 0)
    say('added a sample tenant: ada@example.com, password "correct horse battery"');
}

/** Drops everything and builds it anew: a database of this machine, or one that is said not to be production. */
async function reset(): Promise<void> {
  assertMayReset(MIGRATION_DATABASE_URL);
  await asOwner((owner) =>
    owner.query('DROP SCHEMA IF EXISTS drizzle CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public'),
  );
  await runMigrations();
  await runSeed();
}

/** Fails where something is missing that keeps tenants apart. */
async function check(): Promise<void> {
  await runMigrations();
  const faults = await asOwner(findTenancyFaults);
  if (faults.length > 0)
    throw new Error(`tenants are not isolated:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  say('every table of a tenant is isolated');
}

async function asOwner<Result>(work: (owner: pg.Client) => Promise<Result>): Promise<Result> {
  const owner = new pg.Client({ connectionString: MIGRATION_DATABASE_URL });
  await owner.connect();
  try {
    return await work(owner);
  } finally {
    await owner.end();
  }
}

function say(text: string): void {
  process.stdout.write(`db: ${text}\n`);
}

const COMMANDS: Readonly<Record<string, () => Promise<unknown>>> = {
  migrate: runMigrations,
  'migrate --seed': async () => {
    await runMigrations();
    await runSeed();
  },
  seed: runSeed,
  reset,
  check,
};

const argument = process.argv.slice(2).join(' ');
const command = Object.hasOwn(COMMANDS, argument) ? COMMANDS[argument] : undefined;
if (command === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
try {
  await command();
} catch (error) {
  process.stderr.write(`db: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
