#!/usr/bin/env node
// @ts-check
/**
 * Prisma's schema engine without a download.
 *
 * Prisma's command line runs its schema engine as a program of its own, which it downloads at run time and talks to in
 * JSON-RPC over stdin and stdout. This file takes that program's place (`PRISMA_SCHEMA_ENGINE_BINARY`; prisma.config.ts
 * sets it where there is no native engine): it runs the same engine as Prisma publishes it to npm in WebAssembly, with the
 * driver adapter that the service uses. PostgreSQL only; the role needs CREATEDB for what takes a shadow database, and
 * `shadowDatabaseUrl` is not looked at.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import pRetry from 'p-retry';

const require = createRequire(import.meta.url);
const requireOfAdapter = createRequire(require.resolve('@prisma/adapter-pg'));
const requireOfPrisma = createRequire(require.resolve('prisma/package.json'));

const ENGINE = '@prisma/schema-engine-wasm';

/** Object identifiers of the types `"char"` and `text` (pg_type.dat of PostgreSQL). */
const CHAR = 18;
const TEXT = 25;

/** SQLSTATEs: somebody is connected to the database; autovacuum is. */
const IN_USE = new Set(['55006', '42501']);

/** SQLSTATEs of a connection that is refused, and what Prisma calls them. */
const REFUSALS = /** @type {Record<string, [code: string, message: (target: Target) => string]>} */ ({
  '3D000': ['P1003', ({ database }) => `Database \`${database}\` does not exist`],
  '28P01': ['P1000', invalidCredentials],
  28000: ['P1000', invalidCredentials],
  42501: [
    'P1010',
    ({ user, database }) => `User \`${user}\` was denied access on the database \`${database}\``,
  ],
});

/**
 * @typedef {object} Target where a URL leads
 * @property {import('pg').PoolConfig} config
 * @property {string | undefined} schema
 * @property {string} address
 * @property {string} database
 * @property {string} user
 */

/** @param {Target} target */
function invalidCredentials({ user }) {
  return (
    `Authentication failed against database server, the provided database credentials for \`${user}\` are not valid.\n\n` +
    'Please make sure to provide valid database credentials for the database server at the configured address.'
  );
}

/**
 * @param {string} url
 * @returns {Target}
 */
function readUrl(url) {
  const parsed = new URL(url);
  const schema = parsed.searchParams.get('schema') ?? undefined;
  for (const name of ['schema', 'connection_limit', 'pool_timeout', 'pgbouncer'])
    parsed.searchParams.delete(name);
  const { parse } = createRequire(requireOfAdapter.resolve('pg'))('pg-connection-string');
  const { options = '', ...config } = parse(parsed.href);
  const settings = [options, schema && `-c search_path="${schema}"`].filter(Boolean).join(' ');
  return {
    // The parts and not the whole URL, in which pg would look up the database's name even for the shadow database.
    config: { ...config, ...(settings !== '' && { options: settings }) },
    schema,
    address: `${config.host}:${config.port || 5432}`,
    database: config.database,
    user: config.user,
  };
}

/** A line of the engine's log, in which Prisma looks for the reason of a failure. */
function log(/** @type {string} */ level, /** @type {Record<string, unknown>} */ fields) {
  const line = { timestamp: new Date().toISOString(), level, fields, target: 'schema_engine::logger' };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

/** The glue between JavaScript and the module in WebAssembly, which lies beside it. */
function bindingsFile() {
  return require.resolve(`${ENGINE}/schema_engine_bg`);
}

/** The engine of the version that Prisma's command line was made with. Another one may read the protocol otherwise. */
function assertEngineVersion() {
  const { enginesVersion } = createRequire(requireOfPrisma.resolve('@prisma/engines'))(
    '@prisma/engines-version',
  );
  const { version } = JSON.parse(readFileSync(join(dirname(bindingsFile()), 'package.json'), 'utf8'));
  if (version.endsWith(`.${enginesVersion}`)) return enginesVersion;
  const { version: prisma } = requireOfPrisma('./package.json');
  throw new Error(
    `Prisma ${prisma} needs the schema engine ${enginesVersion}, and ${ENGINE} is ${version}. ` +
      `Find the version that ends in .${enginesVersion} (npm view ${ENGINE} versions) and install it exactly.`,
  );
}

/**
 * `can-connect-to-database` and `create-database`: the commands for which Prisma starts the engine without JSON-RPC.
 *
 * @param {string} command
 * @param {Target} target
 */
async function runCommand(command, target) {
  const pg = requireOfAdapter('pg');
  const isCreating = command === 'create-database';
  if (!isCreating && command !== 'can-connect-to-database')
    throw new Error(`There is no command ${command}.`);
  const client = new pg.Client({ ...target.config, ...(isCreating && { database: 'postgres' }) });
  try {
    await client.connect();
    if (isCreating) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(target.database)}`);
  } catch (error) {
    const { code = '', message } = /** @type {Error & { code?: string }} */ (error);
    const [reason, describe] = REFUSALS[code] ?? [
      code.startsWith('E') ? 'P1001' : 'P1017',
      () => `Can't reach database server at \`${target.address}\`${message && `: ${message}`}`,
    ];
    log('ERROR', { message: describe(target), error_code: reason });
    return 1;
  } finally {
    await client.end().catch(() => {});
  }
  return 0;
}

/**
 * Drops what is left of the shadow databases. The engine lets go of them behind its answer, when Prisma may already have
 * ended this process.
 *
 * @type {Set<() => Promise<void>>}
 */
const shadows = new Set();
const dropShadows = () => Promise.allSettled([...shadows].map((drop) => drop()));

/**
 * A factory of connections as the engine wants them: one session, since it takes a lock and makes settings that hold for
 * the session.
 *
 * @param {Target | undefined} target
 */
function createAdapterFactory(target) {
  const { PrismaPg } = require('@prisma/adapter-pg');
  const { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } = requireOfAdapter(
    '@prisma/driver-adapter-utils',
  );
  const pg = requireOfAdapter('pg');

  const connect = async (/** @type {object} */ changes = {}) => {
    const pool = new pg.Pool({ ...target?.config, ...changes, max: 1, idleTimeoutMillis: 0 });
    const options = { schema: target?.schema, disposeExternalPool: true };
    const connection = await new PrismaPg(pool, options).connect();
    const { queryRaw } = connection;
    // adapter-pg does not know the type "char", in which the catalogue has its flags: it gets them as text.
    connection.queryRaw = async (/** @type {unknown} */ query) => {
      const result = await connection.performIO(query);
      const flags = result.fields.map(
        (/** @type {{ dataTypeID: number }} */ field) => field.dataTypeID === CHAR,
      );
      for (const field of result.fields) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
      const answer = await queryRaw.call({ performIO: async () => result }, query);
      const { columnTypes } = answer;
      return {
        ...answer,
        columnTypes: columnTypes.map((/** @type {number} */ type, /** @type {number} */ index) =>
          flags[index] ? ColumnTypeEnum.Character : type,
        ),
      };
    };
    // adapter-pg cuts a script at each semicolon, also at those in the body of a function. PostgreSQL needs no such help.
    connection.executeScript = async (/** @type {string} */ script) => {
      await pool.query(script).catch((/** @type {Error} */ error) => connection.onError(error));
    };
    return connection;
  };

  const factory = new PrismaPg({}, {});
  factory.connect = () => {
    if (!target) throw new Error('No URL was given: set datasource.url in prisma.config.ts.');
    return connect();
  };
  factory.connectToShadowDb = async () => {
    const admin = new pg.Client(target?.config);
    await admin.connect();
    const database = `prisma_migrate_shadow_db_${crypto.randomUUID()}`;
    await admin.query(`CREATE DATABASE "${database}"`);
    /** @type {any} */
    let connection;
    const drop = async () => {
      if (!shadows.delete(drop)) return;
      await connection?.underlyingDriver().end();
      // FORCE: a connection counts until the server has seen it close, for which it waits 5 s, too few for a busy machine. It
      // is refused while autovacuum is there, which the owner may not end.
      await pRetry(() => admin.query(`DROP DATABASE "${database}" WITH (FORCE)`), {
        retries: 5,
        shouldRetry: ({ error }) => IN_USE.has(/** @type {{ code?: string }} */ (error).code ?? ''),
      });
      await admin.end();
    };
    shadows.add(drop);
    connection = await connect({ database });
    connection.dispose = drop;
    return connection;
  };
  return bindMigrationAwareSqlAdapterFactory(factory);
}

/**
 * @param {[path: string, content: string][]} datamodels
 * @param {Target | undefined} target
 */
async function createEngine(datamodels, target) {
  const bindings = await import(`${ENGINE}/schema_engine_bg`);
  const module = readFileSync(bindingsFile().replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(module, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  const start = /** @type {() => void} */ (instance.exports.__wbindgen_start);
  start();
  const models = datamodels.length > 0 ? datamodels : undefined;
  return bindings.SchemaEngine.new({ datamodels: models }, () => {}, createAdapterFactory(target));
}

/** What Prisma asks of the engine: names of the protocol, and of the methods that answer where those differ. */
const METHODS = /** @type {Record<string, string>} */ ({
  applyMigrations: 'applyMigrations',
  createMigration: 'createMigration',
  dbExecute: 'dbExecute',
  debugPanic: 'debugPanic',
  devDiagnostic: 'devDiagnostic',
  diagnoseMigrationHistory: 'diagnoseMigrationHistory',
  diff: 'diff',
  ensureConnectionValidity: 'ensureConnectionValidity',
  evaluateDataLoss: 'evaluateDataLoss',
  getDatabaseVersion: 'version',
  introspect: 'introspect',
  introspectSql: 'introspectSql',
  markMigrationApplied: 'markMigrationApplied',
  markMigrationRolledBack: 'markMigrationRolledBack',
  reset: 'reset',
  schemaPush: 'schemaPush',
});

/** @param {unknown} message */
function send(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/**
 * @param {number} id of the request that failed
 * @param {unknown} error
 */
function sendError(id, error) {
  const { message = String(error), code, meta = null } = /** @type {any} */ (error ?? {});
  // Not `is_panic`, at which Prisma offers to send a report about its native engine, and ends with exit code 0.
  const data = { is_panic: false, message, error_code: code, meta, backtrace: null };
  send({
    jsonrpc: '2.0',
    id,
    error: { code: 4466, message: 'An error happened. Check the data field for details.', data },
  });
}

/**
 * Answers each request on stdin, one after the other, until stdin ends.
 *
 * @param {[path: string, content: string][]} datamodels
 * @param {Target | undefined} target
 */
async function serve(datamodels, target) {
  let current = 0;
  let panic = '';
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      set_message(/** @type {string} */ text) {
        panic = text;
      },
    },
  });
  // The engine's tasks run apart from the method that was called: what panics there rejects no promise of ours.
  process.once('uncaughtException', (error) => {
    void dropShadows().then(() => {
      sendError(current, new Error(`The schema engine has failed: ${panic || error.stack}`));
      process.stdout.write('', () => process.exit(1));
    });
  });
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => void dropShadows().then(() => process.exit(1)));
  }
  /** @type {Promise<Record<string, (params: unknown) => Promise<unknown>>> | undefined} */
  let engine;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    const { id, method, params } = JSON.parse(line);
    if (method === undefined) continue; // Prisma confirms what it was told to print
    current = id;
    try {
      const name = METHODS[method];
      if (name === undefined) throw new Error(`${ENGINE} has no ${method}.`);
      engine ??= createEngine(datamodels, target);
      const result = (await (await engine)[name]?.(params)) ?? null;
      await dropShadows();
      // The native engine has it printed, and the exit code alone in its answer.
      const { stdout } = /** @type {{ stdout?: string | null }} */ (result ?? {});
      if (method === 'diff' && stdout) {
        send({ jsonrpc: '2.0', id: -id, method: 'print', params: { content: stdout } });
      }
      send({ jsonrpc: '2.0', id, result });
    } catch (error) {
      await dropShadows();
      sendError(id, error);
    }
  }
}

const { values, positionals } = parseArgs({
  options: {
    datamodels: { type: 'string', multiple: true, short: 'd', default: [] },
    datasource: { type: 'string' },
    version: { type: 'boolean' },
    // These matter to connectors that are not PostgreSQL's.
    'enabled-preview-features': { type: 'string' },
    'extension-types': { type: 'string' },
  },
  allowPositionals: true,
});
const [mode, command] = positionals;
try {
  // Prisma does not read the first line of what a command says.
  if (mode === 'cli') log('INFO', { message: 'Starting schema engine CLI' });
  const version = assertEngineVersion();
  if (values.version) {
    process.stdout.write(`schema-engine-cli ${version}\n`);
    process.exit(0);
  }
  const { url } = /** @type {{ url?: string }} */ (JSON.parse(values.datasource ?? '{}'));
  const target = url ? readUrl(url) : undefined;
  if (mode === 'cli') {
    if (!target) throw new Error('The URL of the database is empty.');
    process.exitCode = await runCommand(command ?? '', target);
  } else {
    await serve(
      values.datamodels.map((path) => [path, readFileSync(path, 'utf8')]),
      target,
    );
    process.exit(0);
  }
} catch (error) {
  log('ERROR', { message: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
