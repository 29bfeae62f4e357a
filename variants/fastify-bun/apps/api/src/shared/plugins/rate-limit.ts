import rateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { DomainError } from '../lib/errors/domain-error.js';
import { ALWAYS_ANSWERED } from '../lib/http/request-lifecycle.js';

export interface RateLimitSettings {
  readonly OTEL_SERVICE_NAME: string;
  readonly RATE_LIMIT_ENABLED: boolean;
  readonly RATE_LIMIT_MAX: number;
  readonly RATE_LIMIT_WINDOW_SECONDS: number;
}

/**
 * One budget per client over all routes and all processes, told in the header fields of
 * draft-ietf-httpapi-ratelimit-headers. While Valkey is away, requests are not counted.
 */
export const rateLimitPlugin = fp<{ readonly settings: RateLimitSettings }>(
  async (app, { settings }) => {
    if (!settings.RATE_LIMIT_ENABLED) return;
    const { RATE_LIMIT_MAX: max, RATE_LIMIT_WINDOW_SECONDS: seconds } = settings;
    await app.register(rateLimit, {
      global: false,
      redis: app.valkey,
      nameSpace: `${settings.OTEL_SERVICE_NAME}:rate-limit:`,
      skipOnError: true,
    });
    const count = app.createRateLimit({
      max,
      timeWindow: seconds * 1_000,
      keyGenerator: (request: FastifyRequest) => request.ip,
    });
    app.addHook('onRequest', async (request, reply) => {
      if (ALWAYS_ANSWERED.test(request.url)) return;
      const hit = await count(request);
      if (hit.isAllowed) return;
      reply.header('ratelimit-policy', `"default";q=${max};w=${seconds}`);
      reply.header('ratelimit', `"default";r=${hit.remaining};t=${hit.ttlInSeconds}`);
      if (!hit.isExceeded) return;
      throw new DomainError(
        `Too many requests. Try again in ${hit.ttlInSeconds} s.`,
        'RATE_LIMITED',
        {},
        {
          retryAfter: hit.ttlInSeconds,
        },
      );
    });
  },
  { name: 'rate-limit', dependencies: ['valkey'] },
);
