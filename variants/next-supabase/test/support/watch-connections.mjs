// Loaded with `node --import` before a service under test: ends it when it opens a connection, sends a request or looks a
// name up while it holds a connection of the pool. Whatever else waits for that connection would wait for the other side.
import { subscribe } from 'node:diagnostics_channel';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

export const EXIT_CODE = 70;

const HELD = Symbol.for('service:held-connection');

/** @param {string} action */
function check(action) {
  if (globalThis[HELD]?.getStore()?.held !== true) return;
  const { stack } = new Error(`${action} while a database connection is held`);
  process.stderr.write(`${stack}\n`);
  process.exit(EXIT_CODE);
}

subscribe('undici:request:create', () => check('HTTP request (fetch)'));
subscribe('http.client.request.start', () => check('HTTP request'));
subscribe('net.client.socket', () => check('new connection'));

for (const [owner, name] of [
  [dns, 'lookup'],
  [dns.promises, 'lookup'],
  [dns.promises.Resolver.prototype, 'resolve4'],
  [dns.promises.Resolver.prototype, 'resolve6'],
]) {
  const lookup = owner[name];
  owner[name] = Object.assign(function (...args) {
    check('look-up of a name');
    return lookup.apply(this, args);
  }, lookup);
}
syncBuiltinESMExports();
