/** What benchmarks are made of: servers in processes of their own, load from two processes, medians over rounds. */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Options } from 'autocannon';

export interface Load {
  readonly answers: number;
  readonly failures: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/** The only option of a benchmark: a short run that shows that it works. */
export function readQuick(): boolean {
  const [option, ...rest] = process.argv.slice(2);
  if (rest.length > 0 || (option !== undefined && option !== '--quick')) {
    process.stderr.write('usage: npm run bench [-- --quick]\n');
    process.exit(2);
  }
  return option === '--quick';
}

export const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
export const say = (text: string) => process.stdout.write(`${text}\n`);
export const round = (value: number, digits = 0) => Number(value.toFixed(digits));
export const rate = ({ answers, seconds }: Load) => answers / seconds;
export const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The machine, in words. */
export const machine = (postgresVersion: string) =>
  `${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.versions.node}, PostgreSQL ${postgresVersion}`;

/** Starts a server of this folder, and resolves when it has sent its URL. */
export async function serve(
  file: string,
  env: Record<string, string>,
  execArgv: string[] = [],
): Promise<Server> {
  const child: ChildProcess = fork(here(file), {
    execArgv,
    env: {
      ...process.env,
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      RATE_LIMIT_ENABLED: 'false',
      // What is measured is how much it can do, and it is given more than that.
      MAX_EVENT_LOOP_DELAY_MS: '0',
      SHUTDOWN_DRAIN_MS: '0',
      ...env,
    },
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { url: string }).url));
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
  child.removeAllListeners('exit');
  return {
    url,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Loads a URL from two processes. A failed request makes the figures worthless, so it ends the run. */
export async function load(
  options: Options & { readonly connections: number; readonly duration: number },
): Promise<Load> {
  const { connections } = options;
  const shares = connections === 1 ? [1] : [Math.ceil(connections / 2), Math.floor(connections / 2)];
  const parts = await Promise.all(
    shares.map(async (share) => {
      const request = JSON.stringify({ ...options, connections: share });
      const { stdout } = await promisify(execFile)(process.execPath, [here('./load.ts'), request]);
      return JSON.parse(stdout) as Load;
    }),
  );
  const sum = (pick: (part: Load) => number) => parts.reduce((total, part) => total + pick(part), 0);
  const total: Load = {
    answers: sum(({ answers }) => answers),
    failures: sum(({ failures }) => failures),
    seconds: Math.max(...parts.map(({ seconds }) => seconds)),
    p50: Math.max(...parts.map(({ p50 }) => p50)),
    p99: Math.max(...parts.map(({ p99 }) => p99)),
  };
  if (total.failures > 0) {
    throw new Error(
      `${total.failures} of ${total.answers + total.failures} requests to ${options.url} failed`,
    );
  }
  return total;
}
