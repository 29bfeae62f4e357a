import { AsyncLocalStorage } from 'node:async_hooks';
import { Socket } from 'node:net';
import { NodePgSession } from 'drizzle-orm/node-postgres/session';
import { Redis } from 'ioredis';

/**
 * Calls that were made inside a transaction, although a user or an upstream decides how long they take: each of them holds a
 * connection of the pool meanwhile. `setup.ts` fails every test that leaves one.
 */
export const waitsInTransactions: string[] = [];

const transaction = new AsyncLocalStorage<true>();

/** Watches all transactions of this process, those of Better Auth included. */
export function watchTransactions(): void {
  const begin = NodePgSession.prototype.transaction;
  NodePgSession.prototype.transaction = function (this: NodePgSession<never, never>, run, config) {
    return begin.call(this, (tx) => transaction.run(true, () => run(tx)), config);
  } as typeof begin;
  // HTTP, mail servers, and a second connection of the pool, which may never become free.
  watch(globalThis, 'fetch');
  watch(Socket.prototype, 'connect');
  watch(Redis.prototype, 'sendCommand');
  // Work that waits for a free thread.
  watch(Bun.password, 'hash');
  watch(Bun.password, 'verify');
}

function watch<Name extends string>(target: Record<Name, unknown>, name: Name): void {
  const original = target[name] as (this: unknown, ...args: unknown[]) => unknown;
  const watched = function (this: unknown, ...args: unknown[]): unknown {
    if (transaction.getStore()) waitsInTransactions.push(`${name}\n${new Error().stack}`);
    return original.apply(this, args);
  };
  target[name] = Object.assign(watched, original);
}
