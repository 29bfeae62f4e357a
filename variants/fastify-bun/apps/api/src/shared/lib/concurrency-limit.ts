import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';

interface Options {
  readonly valkey: Redis;
  /** Of the keys in Valkey. */
  readonly prefix: string;
  /** Milliseconds after which work counts as over if its process died, or if Valkey was not told of its end. */
  readonly leaseMs?: number;
}

const LEASE_MS = 30_000;

export type ConcurrencyLimit = ReturnType<typeof createConcurrencyLimit>;

/** Adds the work unless there are as many as allowed: scores are the times at which they count as over. */
const BEGIN = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1`;

/**
 * Counts what is under way for each user, over all processes. While Valkey is unavailable, each process counts in its own memory.
 */
export function createConcurrencyLimit({ valkey, prefix, leaseMs = LEASE_MS }: Options) {
  const here = new Map<string, number>();
  const keyOf = (userId: string) => `${prefix}:${userId}`;
  const countHere = (userId: string) => here.get(userId) ?? 0;

  function change(userId: string, by: 1 | -1): void {
    const count = countHere(userId) + by;
    if (count === 0) here.delete(userId);
    else here.set(userId, count);
  }

  function renew(key: string, id: string): void {
    const end = Date.now() + leaseMs;
    // If it fails, the next one may not.
    valkey
      .multi()
      .zadd(key, end, id)
      .pexpireat(key, end)
      .exec()
      .catch(() => {});
  }

  return {
    /** @returns a function that ends the work, or undefined if `max` are under way */
    async begin(userId: string, max: number): Promise<(() => Promise<void>) | undefined> {
      if (countHere(userId) >= max) return undefined;
      change(userId, 1);
      const id = randomUUID();
      const now = Date.now();
      const added = await valkey.eval(BEGIN, 1, keyOf(userId), now, max, now + leaseMs, id).catch(() => 1);
      if (added === 0) {
        change(userId, -1);
        return undefined;
      }
      const renewal = setInterval(() => renew(keyOf(userId), id), leaseMs / 3).unref();
      return async () => {
        clearInterval(renewal);
        change(userId, -1);
        await valkey.zrem(keyOf(userId), id).catch(() => {});
      };
    },

    /** How much is under way. */
    count: (userId: string): Promise<number> =>
      valkey.zcount(keyOf(userId), Date.now(), '+inf').catch(() => countHere(userId)),
  };
}
