import { parseArgs } from 'node:util';
import dataSource from './data-source.js';
import { grantToApplication } from './grants.js';
import { seed } from './seed.js';

const USAGE = 'usage: node dist/database/cli.js migrate [--seed] | seed | reset | check';

/** `MIGR` in ASCII: processes that migrate the same database wait for each other. */
const ADVISORY_LOCK = 0x4d494752;

/** Applies what is pending, then renews the application's grants. Several processes may do so at once. */
async function migrate(): Promise<void> {
  const runner = dataSource.createQueryRunner();
  await runner.connect();
  try {
    await runner.query('SET statement_timeout = 0');
    await runner.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    const applied = await dataSource.runMigrations();
    await grantToApplication(dataSource, process.env.DATABASE_URL ?? '');
    say(
      applied.length === 0
        ? 'the schema is up to date'
        : `applied ${applied.map(({ name }) => name).join(', ')}`,
    );
  } finally {
    await runner.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]);
    await runner.release();
  }
}

async function runSeed(): Promise<void> {
  const added = await seed(dataSource);
  if (added > 0) say(`added ${added} sample events`);
}

/** Drops everything and builds it anew. For development: production refuses. */
async function reset(): Promise<void> {
  if ((process.env.NODE_ENV ?? 'production') === 'production') {
    throw new Error(
      'db:reset deletes all data and is refused in production (NODE_ENV is production or unset).',
    );
  }
  await dataSource.dropDatabase();
  await migrate();
  await runSeed();
}

/** Fails where the entities and the migrations disagree, or migrations wait to be applied. */
async function check(): Promise<void> {
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

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { seed: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [command = '', ...rest] = positionals;
  const commands: Record<string, () => Promise<void>> = { migrate, seed: runSeed, reset, check };
  const run = commands[command];
  if (run === undefined || rest.length > 0 || (values.seed && command !== 'migrate')) throw new Error(USAGE);
  await dataSource.initialize();
  try {
    await run();
    if (values.seed) await runSeed();
  } finally {
    await dataSource.destroy();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`db: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
