import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type ConcurrencyLimit, createConcurrencyLimit } from '../lib/concurrency-limit.js';
import { DomainError } from '../lib/errors/domain-error.js';
import { clientNetwork } from '../lib/http/client-network.js';
import { ALWAYS_ANSWERED } from '../lib/http/request-lifecycle.js';

export interface RateLimitSettings {
  readonly OTEL_SERVICE_NAME: string;
  readonly RATE_LIMIT_ENABLED: boolean;
  readonly RATE_LIMIT_MAX: number;
  readonly RATE_LIMIT_WINDOW_SECONDS: number;
  readonly RATE_LIMIT_IPV6_PREFIX: number;
}

export interface RateLimitPolicy {
  /** As the header fields tell it. */
  readonly name: string;
  readonly max: number;
  readonly seconds: number;
  /** Whose budget the request takes from. */
  readonly client: (request: FastifyRequest) => string;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes a counter of what runs at the same time for each user, over all processes. */
    limitConcurrency(name: string): ConcurrencyLimit;

    /** Makes a hook that counts a request against a policy, over all processes, and refuses what is too much. */
    limitRate(policy: RateLimitPolicy): (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
  }
}

/**
 * Rate limits that all processes share, told in the header fields of draft-ietf-httpapi-ratelimit-headers. Every client
 * has one budget over all routes. While Valkey is away, requests are not counted.
 */
export const rateLimitPlugin = fp<{ readonly settings: RateLimitSettings }>(
  async (app, { settings }) => {
    await app.register(rateLimit, {
      global: false,
      redis: app.valkey,
      nameSpace: `${settings.OTEL_SERVICE_NAME}:rate-limit:`,
      skipOnError: true,
    });

    app.decorate('limitRate', ({ name, max, seconds, client }: RateLimitPolicy) => {
      const count = app.createRateLimit({
        max,
        timeWindow: seconds * 1_000,
        keyGenerator: (request: FastifyRequest) => `${name}:${client(request)}`,
      });
      return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
        if (!settings.RATE_LIMIT_ENABLED) return;
        const hit = await count(request);
        if (hit.isAllowed) return;
        reply.header('ratelimit-policy', `"${name}";q=${max};w=${seconds}`);
        reply.header('ratelimit', `"${name}";r=${hit.remaining};t=${hit.ttlInSeconds}`);
        if (!hit.isExceeded) return;
        const members = { retryAfter: hit.ttlInSeconds };
        throw new DomainError(
          `Too many requests. Try again in ${hit.ttlInSeconds} s.`,
          'RATE_LIMITED',
          {},
          members,
        );
      };
    });

    app.decorate('limitConcurrency', (name: string) =>
      createConcurrencyLimit({ valkey: app.valkey, prefix: `${settings.OTEL_SERVICE_NAME}:${name}` }),
    );

    const limit = app.limitRate({
      name: 'default',
      max: settings.RATE_LIMIT_MAX,
      seconds: settings.RATE_LIMIT_WINDOW_SECONDS,
      client: (request) => clientNetwork(request.ip, settings.RATE_LIMIT_IPV6_PREFIX),
    });
    app.addHook('onRequest', async (request, reply) => {
      if (!ALWAYS_ANSWERED.test(request.url)) await limit(request, reply);
    });
  },
  { name: 'rate-limit', dependencies: ['valkey'] },
);
