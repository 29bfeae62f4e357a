#!/usr/bin/env node
// @ts-check
/**
 * Starts the real servers that this service needs (package.json, "services"), without Docker.
 *
 *     node scripts/services.mjs [--ephemeral] [--durable] [--json] [-- command ...]
 *
 * What the environment or .env already names (DATABASE_URL, ...) is not started. Data stays in .data/, unless
 * --ephemeral. Nothing that was started outlives this process, whichever way it ends.
 */
import { spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import util from 'node:util'; // whole: an old Node lacks some of its functions, and is told so
import { isReachable } from './services/accounts.mjs';
import { assertRuntime, LauncherError, UsageError } from './services/errors.mjs';
import {
  createWatchdog,
  isRunning,
  lock,
  processIdentity,
  stopStranger,
  whenParentEnds,
} from './services/processes.mjs';

/**
 * @typedef {object} ServerContext what a server's module gets to start with
 * @property {string} root the service's folder
 * @property {string} directory the server's own folder, which exists
 * @property {string} slug the service's name as an SQL identifier
 * @property {boolean} ephemeral the data is thrown away in the end
 * @property {boolean} durable what is committed is on the disk, as in production
 * @property {import('./services/processes.mjs').Watchdog} watchdog
 * @property {(line: string) => void} progress
 *
 * @typedef {object} Server a module in services/
 * @property {string} variable the server is not started where this one is set
 * @property {string[]} [otherVariables] what else it sets
 * @property {(context: ServerContext) => Promise<{ child: import('node:child_process').ChildProcess, env: Record<string, string> }>} start
 *
 * @typedef {object} Services
 * @property {Record<string, string>} env the variables of all servers, also of those that were set before
 * @property {string[]} started what was started or is reused
 * @property {Promise<string>} ended resolves with a reason when a server ends before `stop`
 * @property {() => void} retire tells other processes that `stop` follows: they wait for it, and reuse nothing
 * @property {() => Promise<boolean>} replaced whether a server of another process has ended since, and was started again
 * @property {() => Promise<void>} stop resolves when all that was started here has ended
 */

const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));

/** In a server's folder: the process that started it stops it. */
const STOPPING = 'stopping';

/** Whether another process of this folder is about to stop the servers that it started. */
export function isAnotherStopping() {
  const base = join(root, '.data');
  if (!existsSync(base)) return false;
  return readdirSync(base).some((name) => {
    const running = readRecord(join(base, name, 'running.json'));
    return running !== undefined && existsSync(join(base, name, STOPPING)) && isRunning(running.owner);
  });
}

/**
 * Starts, in parallel, what package.json lists and no variable names. Servers that another process of this folder
 * already runs are reused, and started again when that process ends, unless `ephemeral`: then new ones, thrown away in the end, which
 * for speed do not wait for the disk, unless `durable`.
 *
 * @param {{ ephemeral?: boolean, durable?: boolean, onProgress?: (line: string) => void }} [options]
 * @returns {Promise<Services>}
 */
export async function startServices({ ephemeral = false, durable = !ephemeral, onProgress = () => {} } = {}) {
  const { slug, servers } = await readManifest();
  const settings = { ...readEnvFile(), ...withoutEmpty(process.env) };
  /** @type {Record<string, string>} */
  const env = {};
  /** @type {[string, Server][]} */
  const wanted = [];
  for (const [name, server] of servers) {
    if (!settings[server.variable]) wanted.push([name, server]);
    for (const variable of settings[server.variable]
      ? [server.variable, ...(server.otherVariables ?? [])]
      : []) {
      if (settings[variable]) env[variable] = settings[variable];
    }
  }
  if (wanted.length === 0) {
    const none = { retire: () => {}, replaced: async () => false, stop: async () => {} };
    return { env, started: [], ended: new Promise(() => {}), ...none };
  }

  const base = ephemeral ? temporaryDirectory(slug) : dataDirectory();
  const watchdog = createWatchdog(ephemeral ? base : '');
  /** @type {string[]} */
  const owned = [];
  /** @type {(reason: string) => void} */
  let reportEnd = () => {};
  /** @type {Promise<string>} */
  const ended = new Promise((resolve) => (reportEnd = resolve));
  let stopping = false;

  /** @type {Set<Promise<void>>} */
  const takeovers = new Set();
  let isReplaced = false;

  /**
   * Starts a server again that another process had started and has stopped.
   *
   * @param {[string, Server]} entry
   * @param {Record<string, string>} before its variables
   */
  const takeOver = async ([name, server], before) => {
    if (stopping) return;
    try {
      const now = await startOne([name, server]);
      const isSame = Object.entries(before).every(([variable, value]) => now[variable] === value);
      if (!isSame) reportEnd(`${name} has another address now`);
      isReplaced = true;
    } catch (error) {
      reportEnd(`${name} could not be started again: ${error instanceof Error ? error.message : error}`);
    }
  };

  /**
   * @param {[string, Server]} entry
   * @returns {Promise<Record<string, string>>}
   */
  const startOne = async (entry) => {
    for (let told = false; ; told = true) {
      const env = await startOrReuse(entry, told);
      if (env !== undefined) return env;
      await sleep(100);
    }
  };

  /**
   * @param {[string, Server]} entry
   * @param {boolean} told
   * @returns {Promise<Record<string, string> | undefined>} nothing if the server is being stopped
   */
  const startOrReuse = async ([name, server], told) => {
    const directory = join(base, name);
    mkdirSync(directory, { recursive: true });
    const onWait = (/** @type {number} */ pid) =>
      onProgress(`${name}: waiting for process ${pid}, which starts it ...`);
    const unlock = ephemeral ? () => {} : await lock(`${directory}.lock`, onWait);
    try {
      const record = join(directory, 'running.json');
      const running = readRecord(record);
      if (running && isRunning(running.server)) {
        if (isRunning(running.owner)) {
          const pid = Number.parseInt(running.owner, 10);
          if (existsSync(join(directory, STOPPING))) {
            if (!told) onProgress(`${name}: waiting for process ${pid}, which stops it ...`);
            return undefined;
          }
          onProgress(`${name}: using the one that process ${pid} runs`);
          whenGone(running.server, () => {
            const takeover = takeOver([name, server], running.env);
            takeovers.add(takeover);
            void takeover.finally(() => takeovers.delete(takeover));
          });
          return running.env;
        }
        await stopStranger(Number.parseInt(running.server, 10), 'SIGINT');
      }
      const context = { root, directory, slug, ephemeral, durable, watchdog, progress: onProgress };
      rmSync(join(directory, STOPPING), { force: true });
      const { child, env } = await server.start(context);
      child.once(
        'exit',
        () => stopping || reportEnd(`${name} has stopped by itself (its log is in ${directory})`),
      );
      owned.push(directory);
      rmSync(record, { force: true }); // it may be another user's
      writeFileSync(
        record,
        JSON.stringify({ owner: identity(process.pid), server: identity(child.pid), env }),
        {
          mode: 0o600,
        },
      );
      return env;
    } finally {
      unlock();
    }
  };

  const retire = () => {
    for (const directory of ephemeral ? [] : owned) writeFileSync(join(directory, STOPPING), '');
  };

  const replaced = async () => {
    await Promise.allSettled(takeovers);
    const was = isReplaced;
    isReplaced = false;
    return was;
  };

  /** @type {Promise<void> | undefined} */
  let stopped;
  const stop = () => {
    stopping = true;
    stopped ??= (async () => {
      await Promise.allSettled(takeovers);
      retire();
      // Under the locks, so that nobody reuses a server that is about to end, or starts a second one on its data.
      const locks = ephemeral
        ? []
        : await Promise.all(owned.map((directory) => lock(`${directory}.lock`, () => {})));
      await watchdog.release();
      for (const directory of owned)
        for (const file of ['running.json', STOPPING]) rmSync(join(directory, file), { force: true });
      for (const unlock of locks) unlock();
    })();
    return stopped;
  };

  const results = await Promise.allSettled(wanted.map(startOne));
  for (const result of results) {
    if (result.status === 'rejected') {
      await stop();
      throw result.reason;
    }
    Object.assign(env, result.value);
  }
  return { env, started: wanted.map(([name]) => name), ended, retire, replaced, stop };
}

/** @param {number | undefined} pid */
const identity = (pid) => (pid && processIdentity(pid)) || `${pid}`;

/** The variables of the service's .env, {} where there is none. */
function readEnvFile() {
  const file = join(root, '.env');
  return existsSync(file) ? withoutEmpty(util.parseEnv(readFileSync(file, 'utf8'))) : {};
}

/**
 * An empty variable is one that is not set.
 *
 * @param {Record<string, string | undefined>} variables
 * @returns {Record<string, string>}
 */
function withoutEmpty(variables) {
  /** @type {Record<string, string>} */
  const kept = {};
  for (const [name, value] of Object.entries(variables)) {
    if (value) kept[name] = value;
  }
  return kept;
}

/**
 * The service's name and servers.
 *
 * @returns {Promise<{ slug: string, servers: [string, Server][] }>}
 */
async function readManifest() {
  const file = join(root, 'package.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  assertRuntime(manifest);
  const { name, services } = manifest;
  const known = readdirSync(join(root, 'scripts', 'services')).map((entry) => entry.replace(/\.mjs$/, ''));
  if (typeof name !== 'string' || !Array.isArray(services)) {
    throw new LauncherError(
      `${file} needs a "name" and a list "services", for example "services": ["postgres"].`,
    );
  }
  /** @type {[string, Server][]} */
  const servers = [];
  for (const service of services) {
    const server = known.includes(service) ? await import(`./services/${service}.mjs`) : {};
    if (typeof server.start !== 'function') {
      throw new LauncherError(
        `${file} lists the service ${JSON.stringify(service)}: there is no scripts/services/${service}.mjs.`,
      );
    }
    servers.push([service, server]);
  }
  const slug = name
    .replace(/^@[^/]*\//, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 50);
  return { slug, servers };
}

/** `.data`, which the servers' own users can pass through. */
function dataDirectory() {
  const directory = join(root, '.data');
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new LauncherError(
      `The data cannot be kept in ${directory} (${why}).\n` +
        `Run this as the folder's owner, or hand the folder over: sudo chown -R "$(id -un)" '${directory}'`,
    );
  }
  if (process.getuid?.() === 0) {
    chmodSync(directory, 0o755);
    const { uid, gid } = statSync(root);
    chownSync(directory, uid, gid);
  }
  return directory;
}

/** @param {string} slug */
function temporaryDirectory(slug) {
  const isRoot = process.getuid?.() === 0;
  const anybody = { name: 'anybody', uid: -1, gid: -1 };
  const base = isRoot
    ? [tmpdir(), '/tmp', '/var/tmp'].find((path) => existsSync(path) && isReachable(path, anybody))
    : tmpdir();
  const directory = mkdtempSync(join(base ?? tmpdir(), `plinth-${slug}-`));
  if (isRoot) chmodSync(directory, 0o711);
  return realpathSync(directory);
}

/**
 * @param {string} file
 * @returns {{ owner: string, server: string, env: Record<string, string> } | undefined}
 */
function readRecord(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // not there, or cut short when its writer was killed
  }
}

/**
 * @param {string} process as `processIdentity` gave it
 * @param {() => void} then
 */
function whenGone(process, then) {
  const timer = setInterval(() => {
    if (isRunning(process)) return;
    clearInterval(timer);
    then();
  }, 500);
  timer.unref();
}

const HELP = `Usage: node scripts/services.mjs [--ephemeral] [--durable] [--json] [-- command ...]

Starts the servers that package.json lists under "services" and that no variable (DATABASE_URL, ...) in the
environment or in .env names. Without a command it prints their variables and runs until Ctrl-C. With a command it
runs that with the variables set, stops what it started, and exits with the command's code.

  --ephemeral   new servers with empty data, thrown away in the end (otherwise data stays in .data/)
  --durable     let --ephemeral servers wait for the disk at each commit, as those in .data/ and in production do:
                for benchmarks
  --json        print the variables as one line of JSON
  --help        print this
`;

/**
 * What is meant for this script, and the command after " -- ".
 *
 * @param {string[]} argv
 * @returns {[string[], string[] | undefined]}
 */
function splitCommand(argv) {
  const split = argv.indexOf('--');
  // Bun keeps a `--` to itself that comes first. No option takes a value, so a command begins with the first word.
  const word = process.versions.bun ? argv.findIndex((argument) => !argument.startsWith('-')) : -1;
  if (word >= 0 && (split < 0 || word < split)) return [argv.slice(0, word), argv.slice(word)];
  return split < 0 ? [argv, undefined] : [argv.slice(0, split), argv.slice(split + 1)];
}

/** @param {string[]} argv */
function parseArguments(argv) {
  const [own, command] = splitCommand(argv);
  /** @type {import('node:util').ParseArgsOptionsConfig} */
  const options = {
    ephemeral: { type: 'boolean' },
    durable: { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  };
  let values;
  try {
    ({ values } = util.parseArgs({ args: own, options, allowPositionals: false }));
  } catch {
    const unknown = own.find(
      (argument) => !['--ephemeral', '--durable', '--json', '--help', '-h'].includes(argument),
    );
    throw new UsageError(`${unknown}: no such option. A command to run goes after " -- ".`);
  }
  if (command?.length === 0) throw new UsageError('There is no command after " -- ".');
  if (command && values.json) throw new UsageError('--json prints the variables: it takes no command.');
  const ephemeral = Boolean(values.ephemeral);
  return {
    ephemeral,
    durable: Boolean(values.durable) || !ephemeral,
    json: Boolean(values.json),
    help: Boolean(values.help),
    command,
  };
}

/**
 * Runs a command to its end and passes signals on to it.
 *
 * @param {string[]} command
 * @param {Record<string, string>} env
 * @param {() => void} onInterrupt
 * @returns {Promise<number>} its exit code; 128 + n where signal n ended it, as a shell says it
 */
async function runCommand([program = '', ...args], env, onInterrupt) {
  const watchdog = createWatchdog();
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (child.pid) watchdog.watch(child, 'TERM');
  // A terminal sends Ctrl-C to the command as well.
  onSignal((signal) => {
    onInterrupt();
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
  whenParentEnds(() => {
    onInterrupt();
    child.kill('SIGTERM');
  });
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`services: cannot run ${program}: ${error.message}\n`);
      resolve(127);
    });
    child.once('exit', (code, signal) => resolve(signal ? 128 + osConstants.signals[signal] : code));
  });
  if (child.pid) watchdog.forget(child, 'TERM');
  await watchdog.release();
  return code;
}

/** @type {(signal: NodeJS.Signals) => void} */
let handleSignal = (signal) => process.exit(128 + osConstants.signals[signal]); // the watchdog ends what was started

/** @param {(signal: NodeJS.Signals) => void} handler */
function onSignal(handler) {
  handleSignal = handler;
}

/** @param {string[]} argv */
async function main(argv) {
  const { command, ephemeral, durable, json, help } = parseArguments(argv);
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => handleSignal(signal));
  }
  const services = await startServices({
    ephemeral,
    durable,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  if (command) {
    const code = await runCommand(command, services.env, services.retire);
    onSignal(() => {});
    await services.stop();
    return code;
  }
  const lines = Object.entries(services.env).map(([name, value]) => `${name}=${value}\n`);
  process.stdout.write(json ? `${JSON.stringify(services.env)}\n` : lines.join(''));
  if (services.started.length === 0) {
    process.stderr.write('Nothing to start: the variables above are set already.\n');
    return 0;
  }
  /** @type {Promise<undefined>} */
  const interrupted = new Promise((resolve) => {
    onSignal(() => resolve(undefined));
    whenParentEnds(() => resolve(undefined));
  });
  const alive = setInterval(() => {}, 2 ** 30);
  const reason = await Promise.race([interrupted, services.ended]);
  clearInterval(alive);
  await services.stop();
  if (reason) throw new LauncherError(`${reason}.`);
  return 0;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof LauncherError)) throw error;
    process.stderr.write(`services: ${error.message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
