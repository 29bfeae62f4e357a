import { Inject, Injectable } from '@nestjs/common';
import { DelegateBackoff, handleType, type IRetryBackoffContext, retry } from 'cockatiel';
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { CONFIG } from '../../common/config/config.module.js';
import { REDIS } from '../../common/redis/redis.module.js';
import type { Config } from '../../config/config.js';
import { isOrganizationScope, scopes } from '../../database/scope.js';
import { GoogleQuotaError } from '../google.errors.js';
import { GOOGLE_APIS, type GoogleApi, quotaOf } from './apis.js';
import { quotaWait } from './google-calls.metrics.js';

/** Google counts by project, and so by service: one budget for all processes, organizations and connections. */
const KEY = 'project';

interface Budgets {
  readonly project: RateLimiterRedis;
  /** Of each organization: less than the project's, so that no one uses up what the others need. */
  readonly organization: RateLimiterRedis;
}

/** Those who wait for the same window do not all come back in the same millisecond. */
const SPREAD_MS = 50;

/**
 * Keeps the service within its quota at Google. Calls are counted in Valkey, so that all processes count together; while that
 * is away each process counts for itself, and Google's own answers bound the rest.
 */
@Injectable()
export class GoogleQuota {
  private readonly budgets: ReadonlyMap<GoogleApi, Budgets>;

  constructor(
    @Inject(REDIS) redis: Redis,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    const limiter = (keyPrefix: string, points: number, duration: number) => {
      const options = { keyPrefix, points, duration };
      const insuranceLimiter = new RateLimiterMemory(options);
      return new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter });
    };
    this.budgets = new Map(
      GOOGLE_APIS.map((api) => {
        const { units, seconds } = quotaOf(api, config);
        const share = Math.max(1, Math.floor((units * config.GOOGLE_ORGANIZATION_SHARE) / 100));
        const organization = limiter(`google-quota:organization:${api}`, share, seconds);
        return [api, { project: limiter(`google-quota:${api}`, units, seconds), organization }];
      }),
    );
  }

  /**
   * Returns when it is the turn of the organization that the code runs for. Who would have to wait longer than GOOGLE_MAX_WAIT_MS learns so at once.
   *
   * @param units what the call costs; more than a whole quota costs a whole quota
   * @throws GoogleQuotaError
   */
  async take(api: GoogleApi, units: number): Promise<void> {
    const budgets = this.budgets.get(api);
    if (budgets === undefined) throw new Error(`There is no quota for ${api}`);
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
      const scope = scopes.getStore();
      const organizationId =
        scope !== undefined && isOrganizationScope(scope) ? scope.organizationId : undefined;
      if (organizationId !== undefined)
        await turns.execute(() => consume(budgets.organization, organizationId, units));
      try {
        await turns.execute(() => consume(budgets.project, KEY, units));
      } catch (refused) {
        // No call is made: it counts for nobody.
        if (organizationId !== undefined) await giveBack(budgets.organization, organizationId, units);
        throw refused;
      }
    } catch (refused) {
      throw refused instanceof RateLimiterRes ? new GoogleQuotaError(refused.msBeforeNext, { api }) : refused;
    } finally {
      quotaWait.record((Date.now() - start) / 1_000, { api });
    }
  }
}

/** Who is refused is counted by the limiter too; it makes no call, so it gives back at once. */
async function consume(limiter: RateLimiterRedis, key: string, units: number): Promise<void> {
  try {
    await limiter.consume(key, Math.min(units, limiter.points));
  } catch (refused) {
    if (refused instanceof RateLimiterRes) await giveBack(limiter, key, units);
    throw refused;
  }
}

async function giveBack(limiter: RateLimiterRedis, key: string, units: number): Promise<void> {
  await limiter.reward(key, Math.min(units, limiter.points));
}
