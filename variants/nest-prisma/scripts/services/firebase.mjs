// @ts-check
/** The local issuer of ID tokens: what the Firebase Admin SDK takes for the Firebase Auth emulator. */
import { join } from 'node:path';
import process from 'node:process';
import { answers, startServer } from './processes.mjs';

export const variable = 'FIREBASE_AUTH_EMULATOR_HOST';

/** @param {import('../services.mjs').ServerContext} context */
export async function start({ root, directory, watchdog }) {
  const { child, port } = await startServer({
    name: 'Firebase issuer',
    command: process.execPath,
    args: (port) => [join(root, 'scripts/services/firebase/issuer.mjs'), `${port}`],
    log: join(directory, 'issuer.log'),
    watchdog,
    signal: 'TERM',
    isReady: (port) => answers(port, 'GET / HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200/),
    cwd: directory,
  });
  return { child, env: { FIREBASE_AUTH_EMULATOR_HOST: `127.0.0.1:${port}` } };
}
