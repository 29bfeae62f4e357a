import pg from 'pg';
import { configOrExit, readMigrationConfig } from '../lib/config/config.js';
import { findUserFaults } from './check.js';
import { findDrift } from './drift.js';
import { migrate } from './migrate.js';
import { assertMayReset } from './safeguards.js';
import { seed } from './seed.js';

const USAGE = 'usage: bun apps/api/src/shared/db/cli.ts migrate [--seed] | seed | reset | check';

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
  if ((await asOwner(seed)) > 0) say('added a user: ada@example.com, password "correct horse battery"');
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

/** Fails where the schema in the code is not what the migrations make, or a table is not tied to its users. */
async function check(): Promise<void> {
  const drift = await findDrift();
  if (drift.length > 0) {
    const missing = drift.map((statement) => `  ${statement}`).join('\n');
    throw new Error(`the schema has what no migration makes; run \`bun run db:generate\`:\n${missing}`);
  }
  await runMigrations();
  const faults = await asOwner(findUserFaults);
  if (faults.length > 0)
    throw new Error(`rows are not tied to users:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  say('the migrations make the schema, and every table is tied to its users');
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
