/** Starts production processes of the service, measures in rounds, and writes bench/results.json. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

/** A short run that shows that the benchmark works. Its figures mean nothing. */
export const QUICK = process.argv.includes('--quick');
const ROUNDS = QUICK ? 1 : 5;
/** How often a benchmark is measured whose rounds scatter, before its figures are accepted as they are. */
const ATTEMPTS = 3;
/** (highest - lowest) / median. */
const SCATTER_MAX = 1 / 3;
const IDLE_SECONDS = QUICK ? 1 : 10;
const START_TIMEOUT_MS = 180_000;

type Settings = Readonly<Record<string, string>>;

/** A quick run may be a test on a loaded machine: nothing times out, no load is shed. */
const PATIENT: Settings = {
  MAX_EVENT_LOOP_DELAY_MS: '0',
  REQUEST_TIMEOUT_MS: '60000',
  DATABASE_CONNECT_TIMEOUT_MS: '60000',
  DATABASE_LOCK_TIMEOUT_MS: '60000',
  DATABASE_STATEMENT_TIMEOUT_MS: '60000',
  DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: '60000',
};

export interface Figure {
  /** What was measured. Other figures refer to it by this name. */
  readonly name: string;
  readonly unit: '/s' | 'MiB' | 's' | 'ms' | 'us';
  readonly rounds: readonly number[];
  /** Load and length of a round. */
  readonly how: string;
  /** The figures with which this one is compared. */
  readonly versus?: readonly string[];
  readonly note?: string;
}

export interface Server {
  readonly url: string;
  /** The process that listens on the port. */
  readonly pid: number;
  /** Seconds from the start of the process to the first 200. */
  readonly startSeconds: number;
  stop(): Promise<void>;
}

export const say = (text: string) => process.stdout.write(`${text}\n`);
const four = (value: number) => Number(value.toPrecision(4));
export const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * Measures in turns, so that a slow minute hits all. Repeats if the rounds of one of them scatter.
 *
 * @returns the values of the rounds by name
 */
export async function inTurns<Name extends string>(
  measures: Readonly<Record<Name, () => Promise<number>>>,
  count = ROUNDS,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(measures) as Name[];
  for (let attempt = 1; ; attempt++) {
    const rounds = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
    for (let turn = 1; turn <= count; turn++) {
      for (const name of names) rounds[name].push(four(await measures[name]()));
      say(`round ${turn} of ${count}: ${names.map((name) => `${name} ${rounds[name].at(-1)}`).join('; ')}`);
    }
    const scattered = names.filter((name) => {
      const values = rounds[name];
      return (Math.max(...values) - Math.min(...values)) / median(values) > SCATTER_MAX;
    });
    if (scattered.length === 0 || attempt === ATTEMPTS) return rounds;
    say(`the rounds scatter by more than a third, measuring again: ${scattered.join('; ')}`);
  }
}

/** The service as production runs it, and the settings that differ. */
export class Service {
  readonly settings: Settings;
  readonly #required: Settings;
  readonly #logs = mkdtempSync(join(tmpdir(), 'bench-'));

  /**
   * @param servers the variables that name servers
   * @param secrets settings that have no default; results.json leaves them out
   * @param settings what differs from the defaults of production
   */
  constructor(servers: readonly string[], secrets: Settings, settings: Settings) {
    this.settings = settings;
    const urls = Object.entries(process.env).filter(([name]) => servers.includes(name));
    this.#required = { ...Object.fromEntries(urls), ...secrets } as Settings;
    process.once('exit', () => rmSync(this.#logs, { recursive: true, force: true }));
  }

  /** Starts the service with the command of production. Its log is a file. */
  start(settings: Settings = {}): Promise<Server> {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
    // Settings of development are in .env. Bun reads it without being asked.
    const [program, ...options] = scripts.start.replace(' --env-file-if-exists=.env', '').split(' ');
    const withoutFile = program === 'bun' ? ['--no-env-file'] : [];
    return startServer(
      [process.execPath, ...withoutFile, ...options],
      {
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        ...(QUICK && PATIENT),
        ...this.#required,
        ...this.settings,
        ...settings,
      },
      openSync(join(this.#logs, 'log'), 'a'),
    );
  }

  /** Measures starts, each of a new process, and the memory of the process before its first request. */
  async idleFigures(): Promise<Figure[]> {
    say('starting the production process ...');
    let idle = { resident: 0, anonymous: 0 };
    const rounds = await inTurns({
      start: async () => {
        const server = await this.start();
        idle = { resident: 0, anonymous: 0 };
        for (let second = 0; second < IDLE_SECONDS; second++) {
          await sleep(1_000);
          const { resident, anonymous } = memory(server.pid);
          if (resident > idle.resident) idle = { resident, anonymous };
        }
        await server.stop();
        return server.startSeconds;
      },
      resident: async () => idle.resident,
      anonymous: async () => idle.anonymous,
    });
    const how = `the process that listens on the port, highest of the ${IDLE_SECONDS} s after its start, before any load`;
    return [
      {
        name: 'production process, start to the first 200 of `/health/ready`',
        unit: 's',
        rounds: rounds.start,
        how: 'a new process each round; servers up, migrated',
      },
      { name: 'resident memory, idle', unit: 'MiB', rounds: rounds.resident, how },
      { name: 'anonymous part of it', unit: 'MiB', rounds: rounds.anonymous, how },
    ];
  }
}

/** Starts a server with PORT in its environment, and nothing of this one but where programs are. */
export async function startServer(
  command: readonly string[],
  env: Settings,
  log: number | 'inherit' = 'inherit',
): Promise<Server> {
  const processes = pathToFileURL(resolve('scripts/services/processes.mjs')).href;
  const { freePort } = (await import(processes)) as { freePort(): Promise<number> };
  const port = await freePort();
  const { PATH = '', HOME = '' } = process.env;
  const [program = '', ...options] = command;
  const began = performance.now();
  const child: ChildProcess = spawn(program, options, {
    env: { PATH, HOME, ...env, PORT: `${port}` } as unknown as NodeJS.ProcessEnv,
    stdio: ['ignore', log, 'inherit'],
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const url = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${url}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`${command.join(' ')} ended with ${child.exitCode}`);
    if (performance.now() - began > START_TIMEOUT_MS) throw new Error(`${command.join(' ')} did not start`);
    await sleep(5);
  }
  const startSeconds = (performance.now() - began) / 1_000;
  const pid = listener(port);
  return {
    url,
    pid,
    startSeconds,
    async stop() {
      const ended = once(child, 'exit');
      process.kill(pid, 'SIGTERM');
      await ended;
      process.off('exit', kill);
    },
  };
}

/** Returns the process that listens on a port: the one that was started may be a shell or a launcher. Linux only. */
export function listener(port: number): number {
  const address = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const LISTEN = '0A';
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((table) => readFileSync(table, 'utf8').split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(address) && state === LISTEN)
    .map((fields) => `socket:[${fields[9]}]`);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const file of readdirSync(`/proc/${pid}/fd`))
        if (sockets.includes(readlinkSync(`/proc/${pid}/fd/${file}`))) return Number(pid);
    } catch {} // the process has ended, or belongs to another user
  }
  throw new Error(`no process listens on port ${port}`);
}

/** Returns the memory of a process in MiB. Linux only. */
export function memory(pid: number): { resident: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1_024;
  return { resident: read('VmRSS'), anonymous: read('RssAnon') };
}

/** Writes bench/results.json. */
export async function writeResults(
  service: Service,
  postgresVersion: string,
  figures: readonly Figure[],
): Promise<void> {
  const { bun, node } = process.versions;
  const results = {
    versions: `${bun ? `Bun ${bun}` : `Node ${node}`}, PostgreSQL ${postgresVersion}`,
    settings: service.settings,
    figures,
  };
  const text = `${JSON.stringify(results, null, 2)}\n`;
  await mkdir('bench', { recursive: true });
  await writeFile('bench/results.json', text);
  say(text);
}

/** @throws Error servers that are compared do not send the same status, header fields and bytes */
export async function requireSameResponses(
  urls: readonly string[],
  headers: Record<string, string>,
): Promise<void> {
  const responses = await Promise.all(
    urls.map(async (url) => {
      const response = await fetch(url, { headers });
      const fields = [...response.headers].map(([name, value]) => [name, VARYING.has(name) ? '*' : value]);
      return JSON.stringify([response.status, fields.sort(), await response.text()]);
    }),
  );
  const [first, ...others] = responses;
  for (const [index, other] of others.entries())
    if (other !== first)
      throw new Error(`${urls[index + 1]} does not send what ${urls[0]} sends:\n${other}\n${first}`);
}

/** Header fields whose value changes with each response. */
const VARYING = new Set(['date', 'x-request-id', 'ratelimit']);

/** Returns the header fields of a response that a bare server is to send as well. */
export async function fieldsOf(
  url: string,
  headers: Record<string, string>,
): Promise<Record<string, string>> {
  const { headers: fields } = await fetch(url, { headers });
  const OWN = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']);
  return Object.fromEntries([...fields].filter(([name]) => !OWN.has(name)));
}
