#!/usr/bin/env node
// @ts-check
/**
 * The development loop: real servers, the compiler in watch mode, and the service, which restarts when a compilation
 * without errors has changed something; under Bun, which runs TypeScript as it is, when a source has changed.
 *
 *     node scripts/dev.mjs [--env-only]
 *
 * package.json says what is run, as arguments for node or bun, and what to try then:
 *
 *     "dev": {
 *       "compile":  the compiler, once, which writes to dist/; not under Bun
 *       "watch":    the same in watch mode: it takes longer for its first result, so the service does not wait for it
 *       "prepare":  run once before the service starts: migrations and seed data
 *       "start":    the service
 *       "preload":  the file whose modules it loads while the database is being prepared
 *       "examples": commands to show, in which {url} stands for the service's address, {DATABASE_URL} for PostgreSQL's, ...
 *     }
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import util from 'node:util'; // whole: an old Node lacks some of its functions, and is told so
import { assertRuntime, LauncherError, packageManager, UsageError } from './services/errors.mjs';
import { createWatchdog, whenParentEnds } from './services/processes.mjs';
import { isAnotherStopping, startServices } from './services.mjs';

const GRACE_MS = 10_000;
// `bun run` hands on the Ctrl-C that the terminal has sent here too: the same one, twice.
const SAME_PRESS_MS = 500;
// How long the watching compiler leaves the processor to the service that starts, at most.
const HEAD_START_MS = 3_000;
const GATE = './scripts/services/gate.mjs';
const runtime = process.versions.bun ? 'bun' : 'node';
// What the service runs from, in each of its folders, and how often that is looked at where no compiler watches it.
const CODE = process.versions.bun
  ? { folder: 'src', files: /\.(ts|tsx|js|mjs|cjs|json)$/ }
  : { folder: 'dist', files: /\.(js|mjs|cjs|json)$/ };
const LOOK_MS = 250;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const HELP = `Usage: node scripts/dev.mjs [--env-only]

Starts the servers, the compiler and the service, and restarts the service when the code changes. The first time it
writes .env from .env.example, with fresh secrets. An .env that is there stays as it is.

  --env-only   write .env if there is none, and do nothing else
  --help       print this
`;

/** @param {string} line */
const say = (line) => void process.stderr.write(`${line}\n`);

/** Writes .env from .env.example, once, for this user's eyes only. Later it is the user's: see {@link reportNewKeys}. */
function writeEnvFile() {
  if (!existsSync('.env.example')) return;
  const text = readFileSync('.env.example', 'utf8');
  if (existsSync('.env')) {
    reportNewKeys(text, readFileSync('.env', 'utf8'));
    return;
  }
  // The prefix is how production tells these from secrets that were made for it.
  const filled = text.replace(
    /^(\w+=)<secret>$/gm,
    (_, name) => `${name}dev_${randomBytes(32).toString('hex')}`,
  );
  writeFileSync('.env', filled, { mode: 0o600, flag: 'wx' });
  say('Wrote .env from .env.example, with fresh secrets.');
}

/**
 * Names what .env.example sets and .env does not even mention: an update of the service has brought it.
 *
 * @param {string} example
 * @param {string} own
 */
function reportNewKeys(example, own) {
  const known = new Set(
    [...own.matchAll(/^[ \t]*(?:#[ \t]*)?(?:export[ \t]+)?(\w+)[ \t]*=/gm)].map((match) => match[1]),
  );
  const unknown = [...example.matchAll(/^(\w+)=.*$/gm)].filter(([, key]) => !known.has(key));
  if (unknown.length === 0) return;
  const lines = unknown.map(([line]) => `  ${line}`);
  say(
    `.env.example has what .env has not. Add it there, or as a comment if you do not need it:\n${lines.join('\n')}`,
  );
}

/**
 * @returns {{ name: string, compile?: string[], watch?: string[], prepare: string[], start: string[], preload?: string, examples?: string[], folders: string[] }}
 */
function readManifest() {
  const { name, dev, workspaces = ['.'] } = JSON.parse(readFileSync('package.json', 'utf8'));
  for (const step of [...(runtime === 'bun' ? [] : ['compile', 'watch']), 'prepare', 'start']) {
    if (!Array.isArray(dev?.[step])) {
      throw new LauncherError(
        `package.json needs "dev": { "${step}": [...] }, a list of arguments for ${runtime}.`,
      );
    }
  }
  // Where the code is: in src/ of the service, or of each of its workspaces; compiled, it is in dist/ beside that.
  return { name, ...dev, folders: workspaces };
}

/** The port of the service: PORT, or else the one that .env.example documents. */
function readPort() {
  const documented = existsSync('.env.example')
    ? util.parseEnv(readFileSync('.env.example', 'utf8')).PORT
    : undefined;
  const text = process.env.PORT || documented || '3000';
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    throw new LauncherError(
      `PORT is "${text}", and must be a number from 1 to 65535, for example PORT=3000.`,
    );
  }
  return port;
}

/**
 * @param {number} port
 * @param {string} host
 */
async function assertPortIsFree(port, host) {
  /** @type {NodeJS.ErrnoException | undefined} */
  const error = await new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
  if (error?.code === 'EADDRINUSE') {
    if (isAnotherStopping()) {
      await sleep(100);
      return assertPortIsFree(port, host);
    }
    throw new LauncherError(
      `Port ${port} is in use by another program. Stop that, or choose another port: ` +
        `PORT=${port === 65535 ? 3000 : port + 1} ${packageManager} run dev   (or change PORT in .env)`,
    );
  }
  if (error)
    throw new LauncherError(`The service cannot listen on ${host}:${port} (HOST, PORT): ${error.message}`);
}

/** Where the time is kept at which the compilation began that made dist/ what it is. */
const STAMP = join('.data', 'compiled');

/**
 * @param {boolean} succeeded
 * @param {number} began when it did
 */
function recordCompilation(succeeded, began) {
  rmSync(STAMP, { force: true });
  if (!succeeded) return;
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, `${began}`);
}

/**
 * Whether dist/ was compiled, without errors, from what the sources are now. Then the service need not wait for the
 * compiler. Watching, it looks again anyway: should it find a difference, the service is restarted.
 *
 * @param {string[]} start
 * @param {string[]} folders
 */
function isCompiled(start, folders) {
  const entry = start.findLast((argument) => /\.[cm]?js$/.test(argument)) ?? '';
  if (!existsSync(entry) || !existsSync(STAMP)) return false;
  const compiled = Number(readFileSync(STAMP, 'utf8'));
  const configuration = readdirSync('.').filter((file) => /^(package|tsconfig.*)\.json$/.test(file));
  const code = folders.flatMap((folder) =>
    ['src', 'package.json', 'tsconfig.json'].map((name) => join(folder, name)),
  );
  const inputs = [...code, join('node_modules', '.package-lock.json'), ...configuration];
  return inputs.filter((path) => existsSync(path)).every((path) => lastChange(path) < compiled);
}

/**
 * @param {string} path
 * @param {RegExp} [name] what to look at in a folder; all, and the folders themselves, if left out
 * @returns {number} the time of the latest change of a file, or of anything in a folder
 */
function lastChange(path, name = /(?:)/) {
  const names = statSync(path).isDirectory() ? readdirSync(path, { recursive: true, encoding: 'utf8' }) : [];
  const paths = [path, ...names.map((entry) => join(path, entry))].filter((entry) => name.test(entry));
  return Math.max(0, ...paths.map((entry) => statSync(entry, { throwIfNoEntry: false })?.mtimeMs ?? 0));
}

/**
 * Prints the compiler's errors, and nothing else of what it says.
 *
 * @param {import('node:stream').Readable} output
 * @param {(succeeded: boolean) => void} onResult called after each compilation
 */
function followCompiler(output, onResult) {
  let began = Date.now();
  createInterface({ input: output }).on('line', (line) => {
    if (/(File change detected\. )?Starting (incremental )?compilation/.test(line)) {
      began = Date.now();
      return;
    }
    const found = /Found (\d+) errors?\. Watching for file changes/.exec(line);
    if (!found) {
      if (line.trim()) say(line);
      return;
    }
    const errors = Number(found[1]);
    recordCompilation(errors === 0, began);
    onResult(errors === 0);
  });
}

/**
 * Starts programs that end with this one, at the latest. Each leads a session of its own: Ctrl-C then reaches this
 * process alone, which ends the others in order.
 */
class Programs {
  #watchdog = createWatchdog();
  #isStopped = false;

  /**
   * @param {string[]} args
   * @param {import('node:child_process').StdioOptions} stdio
   * @param {Record<string, string>} [env]
   */
  start(args, stdio, env) {
    // Nobody would end this one.
    if (this.#isStopped)
      throw new LauncherError(`Not started, since all is being stopped: ${runtime} ${args.join(' ')}`);
    const child = spawn(process.execPath, args, {
      stdio,
      // Node keeps there what it has made of each module's source: the service starts in half the time.
      env: { NODE_COMPILE_CACHE: join(root, '.data', 'code-cache'), ...process.env, ...env },
      detached: process.platform !== 'win32',
    });
    this.#watchdog.watch(child, 'TERM');
    /** @type {Promise<void>} */
    const ended = new Promise((resolve) => child.once('exit', () => resolve()));
    void ended.then(() => this.#watchdog.forget(child, 'TERM'));
    return { child, ended };
  }

  /** Ends all that still run. */
  stop() {
    this.#isStopped = true;
    return this.#watchdog.release();
  }
}

/** The service: one process at a time. */
class App {
  /** @type {ReturnType<Programs['start']> | undefined} */
  #current;
  #startedAt = 0;
  #isRefreshing = false;
  #isClosed = false;
  /** @type {Promise<void> | undefined} */
  #stopped;

  /**
   * @param {Programs} programs
   * @param {string[]} args
   * @param {string[]} folders
   */
  constructor(programs, args, folders) {
    this.programs = programs;
    this.args = args;
    this.folders = folders;
    /** @type {Record<string, string> | undefined} the servers' variables, once they run */
    this.env = undefined;
  }

  get isRunning() {
    return this.#current !== undefined;
  }

  /** Whether the code was written to since the service was started. */
  get isOutdated() {
    const written = this.folders.map((folder) => lastChange(join(folder, CODE.folder), CODE.files));
    return Math.max(...written) >= this.#startedAt;
  }

  /**
   * Starts the service as far as it can go without the database: it loads the modules of a file, and waits.
   *
   * @param {string} preload
   * @param {Record<string, string>} env
   */
  load(preload, env) {
    const args = this.args.toSpliced(-1, 0, '--import', GATE);
    this.#spawn(args, ['inherit', 'inherit', 'inherit', 'ipc'], { ...env, DEV_PRELOAD: preload });
  }

  /**
   * Lets the service begin, or starts it.
   *
   * @param {Record<string, string>} env
   */
  begin(env) {
    this.env = env;
    if (this.#current) this.#current.child.send?.('begin');
    else this.start();
  }

  start() {
    this.#spawn(this.args, 'inherit', this.env);
  }

  /**
   * @param {string[]} args
   * @param {import('node:child_process').StdioOptions} stdio
   * @param {Record<string, string> | undefined} env
   */
  #spawn(args, stdio, env) {
    this.#startedAt = Date.now();
    const current = this.programs.start(args, stdio, env);
    this.#current = current;
    void current.ended.then(() => {
      if (this.#current !== current) return; // it was told to end
      this.#current = undefined;
      const { signalCode, exitCode } = current.child;
      say(
        `The service has ended (${signalCode ?? `code ${exitCode}`}). It starts again after the next change.`,
      );
    });
  }

  async #stop() {
    const current = this.#current;
    this.#current = undefined;
    if (current) this.#stopped = this.#end(current);
    await this.#stopped;
  }

  /**
   * As a deployment does it: SIGTERM, and SIGKILL only where that is not obeyed.
   *
   * @param {ReturnType<Programs['start']>} current
   */
  async #end(current) {
    const timer = setTimeout(() => current.child.kill('SIGKILL'), GRACE_MS);
    current.child.kill('SIGTERM');
    await current.ended;
    clearTimeout(timer);
  }

  /** Stops the service for good. */
  async close() {
    this.#isClosed = true;
    await this.#stop();
  }

  /** Restarts the service if it is not what the code is now. */
  async refresh() {
    if (this.#isRefreshing) return; // the restart under way is followed by another look
    this.#isRefreshing = true;
    while (!this.#isClosed && (!this.isRunning || this.isOutdated)) {
      await this.#stop();
      if (this.#isClosed) return;
      say('Restarting ...');
      this.start();
    }
    this.#isRefreshing = false;
  }

  /**
   * @param {string} url
   * @returns {Promise<boolean>} true when the service answers that it is ready, false when it has ended
   */
  async isReady(url) {
    while (this.isRunning) {
      const status = await new Promise((resolve) => {
        const request = get(`${url}/health/ready`, { agent: false, timeout: 2000 }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        request.on('timeout', () => request.destroy());
        request.on('error', () => resolve(undefined));
      });
      if (status === 200) return true;
      await sleep(15);
    }
    return false;
  }
}

/**
 * Starts everything and resolves when it should end: with the exit code.
 *
 * @param {AbortSignal} interrupted
 * @returns {Promise<number>}
 */
async function develop(interrupted) {
  if (existsSync('.env')) process.loadEnvFile('.env'); // what the environment has already wins
  process.env.NODE_ENV ??= 'development';
  process.env.HOST ??= '127.0.0.1';
  const { name, compile, watch, prepare, start, preload, folders, examples = [] } = readManifest();
  const port = readPort();
  process.env.PORT = `${port}`;
  await assertPortIsFree(port, process.env.HOST);

  const programs = new Programs();
  const app = new App(programs, start, folders);
  /** @type {(error: Error) => void} */
  let fail = () => {};

  /** @returns {Promise<boolean>} whether there are no errors; those are for the watching compiler to tell */
  const compileOnce = async (/** @type {string[]} */ compile) => {
    const began = Date.now();
    const { child, ended } = programs.start(compile, ['ignore', 'ignore', 'inherit']);
    await ended;
    recordCompilation(child.exitCode === 0, began);
    return child.exitCode === 0;
  };

  /** @returns {Promise<void>} resolves after the first compilation without errors */
  const watchSources = (/** @type {string[]} */ watch) => {
    const compiler = programs.start(watch, ['ignore', 'pipe', 'inherit']);
    void compiler.ended.then(() => fail(new LauncherError('The compiler has ended.')));
    return new Promise((resolve) => {
      followCompiler(/** @type {import('node:stream').Readable} */ (compiler.child.stdout), (succeeded) => {
        if (succeeded) {
          resolve();
          if (app.env) void app.refresh();
        } else if (app.isRunning) say('The service keeps running as it was.');
        else say('The service starts when this is mended.');
      });
    });
  };

  /** @type {Awaited<ReturnType<typeof startServices>> | undefined} */
  let services;
  const bringUp = async () => {
    const compilation = !compile || isCompiled(start, folders) || compileOnce(compile);
    services = await startServices({ onProgress: say });
    interrupted.addEventListener('abort', () => services?.retire());
    if (interrupted.aborted) services.retire();
    const isWatching = !(await compilation);
    if (interrupted.aborted) return;
    if (isWatching && watch) await watchSources(watch);
    if (interrupted.aborted) return;
    let preparation = programs.start(prepare, 'inherit', services.env);
    if (preload) app.load(preload, services.env);
    await preparation.ended;
    if (interrupted.aborted) return;
    // A server that another process had started may have ended with that.
    if (preparation.child.exitCode !== 0 && (await services.replaced())) {
      preparation = programs.start(prepare, 'inherit', services.env);
      await preparation.ended;
      if (interrupted.aborted) return;
    }
    if (preparation.child.exitCode !== 0) {
      throw new LauncherError(`The database could not be prepared by: ${runtime} ${prepare.join(' ')}`);
    }
    app.begin(services.env);
    const host = /^(0\.0\.0\.0|::)$/.test(process.env.HOST ?? '') ? '127.0.0.1' : process.env.HOST;
    const url = `http://${host?.includes(':') ? `[${host}]` : host}:${port}`;
    const ready = app.isReady(url);
    if (!watch) {
      const timer = setInterval(() => app.isOutdated && app.refresh(), LOOK_MS);
      interrupted.addEventListener('abort', () => clearInterval(timer));
    } else if (!isWatching) {
      await Promise.race([ready, sleep(HEAD_START_MS)]);
      if (interrupted.aborted) return;
      void watchSources(watch);
    }
    if (await ready) say(banner(name, url, services, examples));
  };

  /** @type {Promise<number>} */
  const ended = new Promise((resolve, reject) => {
    fail = reject;
    interrupted.addEventListener('abort', () => resolve(0));
    bringUp().then(() => services?.ended.then((reason) => reject(new LauncherError(`${reason}.`))), reject);
  });
  try {
    return await ended;
  } finally {
    await app.close(); // first, so that it can finish its work with the database
    await programs.stop();
    await services?.stop();
  }
}

/**
 * @param {string} name
 * @param {string} url
 * @param {{ env: Record<string, string>, started: string[] }} services
 * @param {string[]} examples
 */
function banner(name, url, { env, started }, examples) {
  const seconds = (performance.now() / 1000).toFixed(1);
  const lines = [`${name} is ready after ${seconds} s`, '', `Service    ${url}`, `API        ${url}/docs`];
  // A URL that was given may hold a password that is worth keeping off the screen.
  if (started.includes('postgres')) lines.push(`Database   ${env.DATABASE_URL}`);
  if (examples.length > 0)
    lines.push('', 'Try it:', ...examples.map((text) => `  ${fillIn(text, { ...env, url })}`));
  return ['', ...lines, '', 'Ctrl-C stops everything.', ''].map((line) => `  ${line}`.trimEnd()).join('\n');
}

/**
 * @param {string} text
 * @param {Record<string, string>} values
 */
function fillIn(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** @param {string[]} argv */
async function main(argv) {
  /** @type {import('node:util').ParseArgsOptionsConfig} */
  const options = { 'env-only': { type: 'boolean' }, help: { type: 'boolean', short: 'h' } };
  const unknown = argv.find((argument) => !['--env-only', '--help', '-h'].includes(argument));
  if (unknown !== undefined) throw new UsageError(`${unknown}: no such option.\n\n${HELP}`);
  const { values } = util.parseArgs({ args: argv, options });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  assertRuntime(JSON.parse(readFileSync('package.json', 'utf8')));
  writeEnvFile();
  if (values['env-only']) return 0;

  const interruption = new AbortController();
  let interruptedAt = 0;
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (!interruption.signal.aborted) {
        interruptedAt = performance.now();
        interruption.abort();
      } else if (performance.now() - interruptedAt > SAME_PRESS_MS) {
        process.exit(128 + constants.signals[signal]); // asked again: at once, the watchdogs end what is left
      }
    });
  }
  whenParentEnds(() => interruption.abort());
  return develop(interruption.signal);
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof LauncherError)) throw error;
  say(error.message);
  process.exit(error instanceof UsageError ? 2 : 1);
}
