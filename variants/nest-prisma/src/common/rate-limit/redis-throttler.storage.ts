import type { ThrottlerStorage } from '@nestjs/throttler';
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';

/**
 * Counts requests in Valkey, so that all processes count together. While Valkey is away each process counts for itself: a
 * limit that is less exact is better than none, and better than no answer.
 */
export class RedisThrottlerStorage implements ThrottlerStorage {
  private readonly limiters = new Map<string, RateLimiterRedis>();

  constructor(private readonly redis: Redis) {}

  /** @param ttl of the window, in milliseconds */
  async increment(key: string, ttl: number, limit: number, _blockDuration: number, name: string) {
    const hit = await this.limiter(name, limit, ttl / 1_000)
      .consume(key)
      .catch((refused: unknown) => {
        if (refused instanceof RateLimiterRes) return refused;
        throw refused;
      });
    const seconds = Math.ceil(hit.msBeforeNext / 1_000);
    const isBlocked = hit.consumedPoints > limit;
    return {
      totalHits: hit.consumedPoints,
      timeToExpire: seconds,
      isBlocked,
      timeToBlockExpire: isBlocked ? seconds : 0,
    };
  }

  private limiter(name: string, points: number, duration: number): RateLimiterRedis {
    let limiter = this.limiters.get(name);
    if (limiter === undefined) {
      const options = { keyPrefix: `rate:${name}`, points, duration };
      limiter = new RateLimiterRedis({
        ...options,
        storeClient: this.redis,
        insuranceLimiter: new RateLimiterMemory(options),
      });
      this.limiters.set(name, limiter);
    }
    return limiter;
  }
}
