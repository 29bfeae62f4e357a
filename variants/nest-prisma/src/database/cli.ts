import { parseArgs } from 'node:util';
import { configOrExit, readMigrationConfig } from '../config/config.js';
import { Database } from './database.js';
import { migrate } from './migrate.js';
import { createPool } from './pool.js';
import { runPrisma } from './prisma-cli.js';
import { createPrismaClient } from './prisma-client.js';
import { assertMayReset } from './safeguards.js';
import { seed } from './seed.js';

const USAGE = 'usage: node dist/database/cli.js migrate [--seed] | seed | reset | check';

const config = configOrExit(readMigrationConfig);
const ownerUrl = config.MIGRATION_DATABASE_URL ?? config.DATABASE_URL;

async function runMigrations(): Promise<void> {
  const applied = await migrate(ownerUrl, config.DATABASE_URL);
  say(applied.length === 0 ? 'the schema is up to date' : `applied ${applied.join(', ')}`);
}

/** With the application's role and in a scope, as the service would. */
async function runSeed(): Promise<void> {
  const pool = createPool(config);
  const client = createPrismaClient(pool);
  try {
    const added = await seed(new Database(client, { maxWait: 5_000, timeout: 30_000 }));
    if (added > 0) say(`added ${added} sample rows`);
  } finally {
    await client.$disconnect();
    await pool.end();
  }
}

/** Drops everything and builds it anew: a database of this machine, or one that is said not to be production. */
async function reset(): Promise<void> {
  assertMayReset(ownerUrl);
  await prisma(['migrate', 'reset', '--force']);
  await runMigrations();
  await runSeed();
}

/**
 * Fails where the schema in prisma/ and the migrations disagree, or migrations wait to be applied. A database that has none
 * yet, as the ephemeral one of `npm run db:check`, gets them all first.
 */
async function check(): Promise<void> {
  await runMigrations();
  await prisma(['migrate', 'status']);
  const paths = ['--from-migrations', 'prisma/migrations', '--to-schema', 'prisma'];
  const { exitCode, output } = await runPrisma(
    ['migrate', 'diff', ...paths, '--script', '--exit-code'],
    ownerUrl,
  );
  if (exitCode === 2) {
    throw new Error(
      `The schema differs from the migrations; npm run db:generate -- <name> writes the missing one:\n${output}`,
    );
  }
  if (exitCode !== 0) throw new Error(output.trim());
  say('schema and migrations agree');
}

async function prisma(args: string[]): Promise<void> {
  const { exitCode, output } = await runPrisma(args, ownerUrl);
  if (exitCode !== 0) throw new Error(output.trim());
}

function say(text: string): void {
  process.stdout.write(`db: ${text}\n`);
}

const COMMANDS: Record<string, () => Promise<void>> = { migrate: runMigrations, seed: runSeed, reset, check };

/** What the arguments ask for; nothing where they make no sense. */
function readArguments(): { run: () => Promise<void>; withSeed: boolean } | undefined {
  const { values, positionals } = parseArgs({
    options: { seed: { type: 'boolean', default: false } },
    allowPositionals: true,
    strict: false,
  });
  const [command = '', ...rest] = positionals;
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  const { seed: withSeed, ...unknown } = values;
  const isSensible =
    rest.length === 0 && Object.keys(unknown).length === 0 && (command === 'migrate' || !withSeed);
  return run && isSensible ? { run, withSeed: withSeed === true } : undefined;
}

const task = readArguments();
if (task === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
try {
  await task.run();
  if (task.withSeed) await runSeed();
} catch (error) {
  process.stderr.write(`db: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
