// @ts-check
/** Processes, locks and ports: what each embedded server needs, whichever server it is. */
import { execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { LauncherError } from './errors.mjs';

const POLL_MS = 5;
const READY_TIMEOUT_MS = 60_000;
const isWindows = process.platform === 'win32';
const isLinux = process.platform === 'linux';

/**
 * A process id together with the time at which that process started: unlike a bare id, it cannot be
 * mistaken for another process after a restart of the machine or the container.
 *
 * @param {number} pid
 * @returns {string | undefined} undefined where no such process runs
 */
export function processIdentity(pid) {
  try {
    if (isLinux) {
      const fields = status(pid);
      return fields[0] === 'Z' ? undefined : `${pid}@${fields[19]}`;
    }
    if (isWindows) {
      process.kill(pid, 0);
      return `${pid}`;
    }
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return `${pid}@${started.trim()}`;
  } catch {
    return undefined;
  }
}

/**
 * What Linux tells of a process, from its state on (the third field in proc_pid_stat(5)).
 *
 * @param {number} pid
 */
function status(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command's name, in parentheses, may itself hold spaces and parentheses.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** @param {string} identity as {@link processIdentity} gave it */
export function isRunning(identity) {
  return processIdentity(Number.parseInt(identity, 10)) === identity;
}

/**
 * The command line of a process, '' where there is none.
 *
 * @param {number} pid
 */
export function commandLine(pid) {
  try {
    return isLinux
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      : execFileSync('ps', ['-o', 'args=', '-p', `${pid}`], { encoding: 'utf8', stdio: 'pipe' });
  } catch {
    return '';
  }
}

/** @param {number} pid */
function parentOf(pid) {
  try {
    return Number(
      isLinux
        ? status(pid)[1]
        : execFileSync('ps', ['-o', 'ppid=', '-p', `${pid}`], { encoding: 'utf8', stdio: 'pipe' }),
    );
  } catch {
    return 0; // gone
  }
}

// As this process found it: it may be gone by the time at which somebody asks.
const parent = process.ppid;
const manager = processIdentity(packageManagerId()) ?? '';

/** The process of the package manager that runs this script: the parent, or above the shell that it runs scripts with. */
function packageManagerId() {
  const { npm_lifecycle_event: event, npm_lifecycle_script: script } = process.env;
  return event && script && commandLine(parent).includes(script) ? parentOf(parent) : parent;
}

/**
 * Calls back when the package manager that runs this script is gone: killed, it cannot say so itself.
 *
 * @param {() => void} then
 */
export function whenParentEnds(then) {
  if (!process.env.npm_lifecycle_event) return; // started by hand: `nohup ... &` may well outlive its shell
  const check = () => {
    if (process.ppid === parent && isRunning(manager)) return;
    clearInterval(timer);
    then();
  };
  const timer = setInterval(check, isLinux ? 500 : 2000); // elsewhere a look takes a program
  timer.unref();
}

/**
 * Stops a process that is not a child of this one, and waits until it is gone.
 *
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 */
export async function stopStranger(pid, signal) {
  const identity = processIdentity(pid);
  if (!identity) return;
  const deadline = Date.now() + 15_000;
  process.kill(pid, signal);
  while (isRunning(identity)) {
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
    await sleep(POLL_MS);
  }
}

/**
 * Takes an exclusive lock between processes. A lock whose holder died is taken over.
 *
 * @param {string} file
 * @param {(pid: number) => void} onWait called when it takes long, with the holder's process id
 * @returns {Promise<() => void>} releases the lock
 */
export async function lock(file, onWait) {
  const identity = processIdentity(process.pid) ?? `${process.pid}`;
  const mine = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  writeFileSync(mine, identity);
  const started = Date.now();
  try {
    for (let told = false; ; ) {
      try {
        linkSync(mine, file); // atomic, and the file is never seen without its holder's identity
        return () => rmSync(file, { force: true });
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
      }
      const holder = readText(file);
      if (holder && !isRunning(holder)) takeAway(file, holder, `${mine}.stale`);
      else await sleep(POLL_MS);
      if (!told && Date.now() - started > 1000) {
        told = true;
        onWait(Number.parseInt(holder ?? '', 10));
      }
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * Removes a dead process's lock, unless another process was quicker and the lock is now its own.
 *
 * @param {string} file
 * @param {string} holder
 * @param {string} aside
 */
function takeAway(file, holder, aside) {
  try {
    renameSync(file, aside);
    if (readText(aside) !== holder) linkSync(aside, file);
  } catch {
    // Another process took the stale lock away first.
  }
  rmSync(aside, { force: true });
}

/** @param {string} file */
function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

// Reads what to watch from a pipe. The pipe ends when the launcher lets go of it, or when the launcher is
// gone, however it went (SIGKILL too). Then: signal each process, wait for it, remove the directory.
const WATCHDOG = `
trap '' HUP INT TERM
list=' '
while read -r action process; do
  case $action in
    watch) list="$list$process " ;;
    forget) list="\${list%% $process *} \${list#* $process }" ;;
  esac
done
for process in $list; do kill -s "\${process%%:*}" "\${process#*:}" 2>/dev/null; done
tries=0
for process in $list; do
  while kill -0 "\${process#*:}" 2>/dev/null && [ $tries -lt 750 ]; do tries=$((tries + 1)); sleep 0.02; done
  kill -9 "\${process#*:}" 2>/dev/null
done
tries=0
while [ -n "$1" ] && ! rm -rf -- "$1" 2>/dev/null && [ $tries -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
`;

/**
 * Stops processes when this process ends, on purpose or not. It is a process of its own (a shell that sleeps in
 * `read`), so that it also works when this one is killed with SIGKILL. There is no second way to stop them.
 *
 * @typedef {import('node:child_process').ChildProcess} ChildProcess
 * @typedef {object} Watchdog
 * @property {(child: ChildProcess, signal: 'INT' | 'TERM') => void} watch stops `child` with `signal` in the end
 * @property {(child: ChildProcess, signal: 'INT' | 'TERM') => void} forget `child` has ended by itself
 * @property {() => Promise<void>} release stops all that is watched, removes the directory, and resolves after that
 *
 * @param {string} [directory] removed in the end
 * @returns {Watchdog}
 */
export function createWatchdog(directory = '') {
  if (isWindows) return createJob(directory);
  const dog = spawn('/bin/sh', ['-c', WATCHDOG, 'plinth-watchdog', directory], {
    cwd: '/',
    detached: true, // out of reach of the terminal's Ctrl-C
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = new Promise((resolve) => dog.once('close', resolve));
  dog.stdin.on('error', () => {}); // somebody ended the watchdog: nothing is left to tell it
  dog.unref();
  /** @type {import('node:net').Socket} */ (dog.stdin).unref?.();
  return {
    watch: (child, signal) => void dog.stdin.write(`watch ${signal}:${child.pid}\n`),
    forget: (child, signal) => void dog.stdin.write(`forget ${signal}:${child.pid}\n`),
    async release() {
      dog.ref();
      dog.stdin.end();
      await ended;
    },
  };
}

/**
 * The same on Windows, where the children of a process end with it (libuv puts them into one job object).
 *
 * @param {string} directory
 * @returns {Watchdog}
 */
function createJob(directory) {
  /** @type {Set<ChildProcess>} */
  const children = new Set();
  return {
    watch: (child) => void children.add(child),
    forget: (child) => void children.delete(child),
    async release() {
      const running = [...children].filter((child) => child.exitCode === null && child.signalCode === null);
      await Promise.all(
        running.map((child) => new Promise((resolve) => child.once('exit', resolve) && child.kill())),
      );
      if (directory) rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/**
 * Runs a program to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {object} options
 * @param {Watchdog} options.watchdog ends it when this process ends before it
 * @param {string} [options.input] for its standard input
 * @param {string} [options.cwd]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {number} [options.uid]
 * @param {number} [options.gid]
 * @returns {Promise<string>} what it printed; rejects with that where it fails
 */
export function run(command, args, { watchdog, input = '', ...options }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...options,
      stdio: 'pipe',
      windowsHide: true,
      detached: !isWindows,
    });
    if (child.pid) watchdog.watch(child, 'TERM');
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      watchdog.forget(child, 'TERM');
      if (code === 0) resolve(output);
      else reject(new LauncherError(`${command} failed:\n${lastLines(output)}`));
    });
    child.stdin.on('error', () => {}); // it ended without reading: its exit code tells why
    child.stdin.end(input);
  });
}

/**
 * Starts a server and waits until it is ready.
 *
 * @param {object} options
 * @param {string} options.name for messages
 * @param {string} options.command
 * @param {(port: number) => string[]} options.args
 * @param {number | undefined} options.port preferred; another one is taken where it is not free
 * @param {string} options.log file that receives what the server prints
 * @param {Watchdog} options.watchdog
 * @param {'INT' | 'TERM'} options.signal the one that stops it cleanly
 * @param {(port: number) => boolean | Promise<boolean>} options.isReady
 * @param {string} [options.cwd]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {number} [options.uid]
 * @param {number} [options.gid]
 * @returns {Promise<{ child: ChildProcess, port: number }>}
 */
export async function startServer({
  name,
  command,
  args,
  log,
  watchdog,
  signal,
  isReady,
  port: preferred,
  ...rest
}) {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(attempt === 1 ? preferred : undefined);
    rmSync(log, { force: true }); // it may be another user's
    const output = openSync(log, 'w', 0o600);
    const child = spawn(command, args(port), {
      ...rest,
      detached: !isWindows,
      windowsHide: true,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    /** @type {Error | undefined} */
    let failure;
    child.once('error', (error) => (failure = error));
    if (child.pid) watchdog.watch(child, signal);
    child.unref();

    const deadline = Date.now() + READY_TIMEOUT_MS;
    const hasEnded = () => !child.pid || child.exitCode !== null || child.signalCode !== null;
    while (!hasEnded() && Date.now() < deadline) {
      if (await isReady(port)) return { child, port };
      await sleep(POLL_MS);
    }
    await sleep(0); // lets a failed spawn report itself
    if (child.pid && hasEnded()) watchdog.forget(child, signal);
    const printed = readText(log) ?? '';
    // Between finding the port free and using it, another process may have taken it.
    if (attempt < 3 && /address already in use|could not bind/i.test(printed)) continue;
    throw new LauncherError(
      `${name} did not start (its log is ${log}):\n${failure?.message ?? lastLines(printed)}`,
    );
  }
}

/**
 * A TCP port on 127.0.0.1 that nobody listens on. It is below the ports that the system gives to outgoing
 * connections and to servers that take any: those are gone again before whoever asked has started.
 *
 * @param {number} [preferred]
 * @returns {Promise<number>} the preferred one where it is free
 */
export async function freePort(preferred) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = attempt === 0 && preferred ? preferred : randomInt(20_000, 32_768);
    if (await isFree(port)) return port;
  }
  throw new LauncherError('No TCP port is free on 127.0.0.1.');
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * Whether a server on 127.0.0.1 answers what it should.
 *
 * @param {number} port
 * @param {string} request sent after connecting, may be ''
 * @param {RegExp} expected
 * @returns {Promise<boolean>}
 */
export function answers(port, request, expected) {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('data', (chunk) => {
      received += chunk;
      if (expected.test(received)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(expected.test(received)));
  });
}

/** @param {string} text */
export function lastLines(text) {
  return text.trimEnd().split('\n').slice(-12).join('\n');
}
