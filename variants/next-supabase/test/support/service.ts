import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Service {
  readonly url: string;
  readonly process: ChildProcess;
  /** What it has logged, as objects. */
  readonly log: Record<string, unknown>[];
  /** Tells it to stop. @returns its exit code */
  stop(): Promise<number | null>;
}

const running = new Set<ChildProcess>();

// Vitest ends its workers so, and waits for whoever writes to their output: what a test that has failed did not stop goes too.
process.once('SIGTERM', () => {
  for (const child of running) child.kill('SIGKILL');
  process.exit();
});

/** Starts the built service as production does, on a free port. */
export async function startService(env: Record<string, string> = {}): Promise<Service> {
  const child = spawn(
    process.execPath,
    [
      '--import',
      './test/support/watch-connections.mjs',
      '--import',
      './dist/server/instrumentation.js',
      'dist/server/main.js',
    ],
    {
      env: {
        ...process.env,
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        PORT: '0',
        SHUTDOWN_DRAIN_MS: '0',
        // What other tests send counts as well: the limits are for the tests that are about them.
        RATE_LIMIT_MAX: '1000000',
        RATE_LIMIT_CREDENTIALS_MAX: '1000000',
        LOGIN_ATTEMPTS_MAX: '1000000',
        ENCRYPTION_KEYS: 'e'.repeat(64),
        WEBHOOK_POLL_MS: '0', // a test's own process delivers what the test makes
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  running.add(child);
  child.once('exit', () => running.delete(child));
  const log: Record<string, unknown>[] = [];
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the service has ended with code ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry = JSON.parse(line);
      log.push(entry);
      if (entry.msg === 'listening') resolve(`http://127.0.0.1:${entry.address.port}`);
    });
  });
  return {
    url,
    process: child,
    log,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exit;
      return code;
    },
  };
}
