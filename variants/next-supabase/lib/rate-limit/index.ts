import type { Redis } from 'ioredis';
import { config } from '@/lib/config/config';
import { clientAddress } from '@/lib/http/client-address';
import { clientNetwork } from '@/lib/http/client-network';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { redis } from '@/lib/redis/redis';
import type { Policy } from './rate-limited';
import { SLIDING_WINDOW } from './sliding-window.lua';

export interface RateLimitResult {
  readonly success: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Until the window ends, or until one more request is allowed. */
  readonly resetMs: number;
}

type WithWindow = Redis & {
  slidingWindow(key: string, limit: number, windowMs: number): Promise<[number, number, number]>;
};

const limiter = () =>
  processWide('limiter', () => {
    redis().defineCommand('slidingWindow', { numberOfKeys: 1, lua: SLIDING_WINDOW });
    return redis() as WithWindow;
  });

/**
 * Counts a request of its client, together with all other processes of the service. While Redis does not answer,
 * RATE_LIMIT_ON_FAILURE decides.
 *
 * @param max requests per window; RATE_LIMIT_MAX where it is not given
 * @param name counts apart from the others what has a limit of its own
 */
export async function rateLimit(
  request: Request,
  { max, name = 'all' }: { max?: number; name?: string } = {},
): Promise<RateLimitResult> {
  const {
    RATE_LIMIT_ENABLED,
    RATE_LIMIT_IPV6_PREFIX,
    RATE_LIMIT_MAX,
    RATE_LIMIT_ON_FAILURE,
    RATE_LIMIT_WINDOW_SECONDS,
  } = config();
  const limit = max ?? RATE_LIMIT_MAX;
  const windowMs = RATE_LIMIT_WINDOW_SECONDS * 1_000;
  if (!RATE_LIMIT_ENABLED) return { success: true, limit, remaining: limit, resetMs: windowMs };
  try {
    const key = `rate:${name}:${clientNetwork(clientAddress(request), RATE_LIMIT_IPV6_PREFIX)}`;
    const [allowed, remaining, resetMs] = await limiter().slidingWindow(key, limit, windowMs);
    return { success: allowed === 1, limit, remaining, resetMs };
  } catch (error) {
    const success = RATE_LIMIT_ON_FAILURE === 'open';
    log().warn({ err: error, success }, 'the rate limit could not be looked up');
    return { success, limit, remaining: 0, resetMs: 1_000 };
  }
}

/** The header fields of draft-ietf-httpapi-ratelimit-headers. */
export function rateLimitHeaders(
  { limit, remaining, resetMs }: RateLimitResult,
  { name, windowSeconds }: Policy = {
    name: 'default',
    windowSeconds: config().RATE_LIMIT_WINDOW_SECONDS,
  },
): Record<string, string> {
  return {
    'ratelimit-policy': `"${name}";q=${limit};w=${windowSeconds}`,
    ratelimit: `"${name}";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`,
  };
}
