import { parseArgs } from 'node:util';
import { readMigrationConfig } from '../config/config.js';
import dataSource from './data-source.js';
import { migrate } from './migrate.js';
import { assertMayReset } from './safeguards.js';
import { seed } from './seed.js';

const USAGE = 'usage: node dist/database/cli.js migrate [--seed] | seed | reset | check';

async function runMigrations(): Promise<void> {
  const applied = await migrate(dataSource, process.env.DATABASE_URL ?? '');
  say(applied.length === 0 ? 'the schema is up to date' : `applied ${applied.join(', ')}`);
}

async function runSeed(): Promise<void> {
  const added = await seed(dataSource);
  if (added > 0) say(`added ${added} sample events`);
}

/** Drops everything and builds it anew: a database of this machine, or one that is said not to be production. */
async function reset(): Promise<void> {
  const { MIGRATION_DATABASE_URL, DATABASE_URL } = readMigrationConfig();
  assertMayReset(MIGRATION_DATABASE_URL ?? DATABASE_URL);
  await dataSource.dropDatabase();
  await runMigrations();
  await runSeed();
}

/**
 * Fails where the entities and the migrations disagree, or migrations wait to be applied. A database that has none yet,
 * as the ephemeral one of `npm run db:check`, gets them all first.
 */
async function check(): Promise<void> {
  const [{ isFresh }] = await dataSource.query(`SELECT to_regclass('migrations') IS NULL AS "isFresh"`);
  if (isFresh) await runMigrations();
  if (await dataSource.showMigrations())
    throw new Error('Migrations are pending: npm run db:migrate applies them.');
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
  if (upQueries.length > 0) {
    const changes = upQueries.map(({ query }) => `  ${query}`).join('\n');
    throw new Error(
      `The entities differ from the migrations; npm run db:generate -- <Name> writes the missing one:\n${changes}`,
    );
  }
  say('entities and migrations agree');
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
  await dataSource.initialize();
  try {
    await task.run();
    if (task.withSeed) await runSeed();
  } finally {
    await dataSource.destroy();
  }
} catch (error) {
  process.stderr.write(`db: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
