import { z } from 'zod';
import { processWide } from '../process-wide.ts';
import { loadConfig } from './load-config.ts';
import { databaseSettings, serviceSettings } from './settings.ts';

const schema = z
  .object({
    ...serviceSettings,
    ...databaseSettings,
    SUPABASE_URL: z
      .url({ protocol: /^https?$/ })
      .transform((url) => url.replace(/\/+$/, ''))
      .describe('the URL of the Supabase project, e.g. https://abcdefghijkl.supabase.co'),
    SUPABASE_PUBLISHABLE_KEY: z
      .string()
      .min(1)
      .describe('the publishable key of the project, sb_publishable_...'),
    SUPABASE_JWT_SECRET: z
      .string()
      .min(32)
      .optional()
      .describe('only for projects that still sign access tokens with the shared secret'),
    REDIS_URL: z
      .url({ protocol: /^rediss?$/, error: 'must be a redis:// URL' })
      .describe('Valkey or Redis, e.g. redis://localhost:6379'),
    CACHE_TTL_SECONDS: z.coerce
      .number()
      .int()
      .min(0)
      .max(3_600)
      .default(30)
      .describe(
        'how long a read may be answered from Redis when a write went past the service; 0 caches nothing',
      ),
    RATE_LIMIT_CREDENTIALS_MAX: z.coerce
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(20)
      .describe('attempts to sign in or up per client and window'),
    RATE_LIMIT_ON_FAILURE: z
      .enum(['open', 'closed'])
      .default('open')
      .describe('whether requests are let through (open) or refused (closed) while Redis does not answer'),
  })
  .refine(({ NODE_ENV, RATE_LIMIT_ENABLED }) => NODE_ENV !== 'production' || RATE_LIMIT_ENABLED, {
    path: ['RATE_LIMIT_ENABLED'],
    message: 'cannot be false in production',
  });

export type Config = Readonly<z.output<typeof schema>>;

/**
 * The service's configuration, read from the environment once.
 *
 * @throws ConfigError that names every missing or malformed variable
 */
export function config(): Config {
  return processWide('config', () => loadConfig(schema));
}
