import { Inject, Injectable } from '@nestjs/common';
import { DelegateBackoff, handleType, type IRetryBackoffContext, retry } from 'cockatiel';
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { CONFIG } from '../../common/config/config.module.js';
import { REDIS } from '../../common/redis/redis.module.js';
import type { Config } from '../../config/config.js';
import { GoogleQuotaError } from '../google.errors.js';
import { GOOGLE_APIS, type GoogleApi, quotaOf } from './apis.js';
import { quotaWait } from './google-calls.metrics.js';

/** Google counts by project, and so by service: one budget for all processes, organizations and connections. */
const KEY = 'project';

/** Those who wait for the same window do not all come back in the same millisecond. */
const SPREAD_MS = 50;

/**
 * Keeps the service within its quota at Google. Calls are counted in Valkey, so that all processes count together; while that
 * is away each process counts for itself, and Google's own answers bound the rest.
 */
@Injectable()
export class GoogleQuota {
  private readonly limiters: ReadonlyMap<GoogleApi, RateLimiterRedis>;

  constructor(
    @Inject(REDIS) redis: Redis,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.limiters = new Map(
      GOOGLE_APIS.map((api) => {
        const { units, seconds } = quotaOf(api, config);
        const options = { keyPrefix: `google-quota:${api}`, points: units, duration: seconds };
        const insuranceLimiter = new RateLimiterMemory(options);
        return [api, new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter })];
      }),
    );
  }

  /**
   * Returns when it is the caller's turn. Who would have to wait longer than GOOGLE_MAX_WAIT_MS learns so at once.
   *
   * @param units what the call costs; more than a whole quota costs a whole quota
   * @throws GoogleQuotaError
   */
  async take(api: GoogleApi, units: number): Promise<void> {
    const limiter = this.limiters.get(api);
    if (limiter === undefined) throw new Error(`There is no quota for ${api}`);
    const start = Date.now();
    const isInTime = ({ msBeforeNext }: RateLimiterRes) =>
      Date.now() + msBeforeNext <= start + this.config.GOOGLE_MAX_WAIT_MS;
    const turns = retry(handleType(RateLimiterRes as never, isInTime), {
      backoff: new DelegateBackoff(({ result }: IRetryBackoffContext<unknown>) => {
        const wait =
          'error' in result && result.error instanceof RateLimiterRes ? result.error.msBeforeNext : 0;
        return wait + Math.random() * SPREAD_MS;
      }),
    });
    try {
      await turns.execute(() => limiter.consume(KEY, Math.min(units, limiter.points)));
    } catch (refused) {
      throw refused instanceof RateLimiterRes ? new GoogleQuotaError(refused.msBeforeNext, { api }) : refused;
    } finally {
      quotaWait.record((Date.now() - start) / 1_000, { api });
    }
  }
}
