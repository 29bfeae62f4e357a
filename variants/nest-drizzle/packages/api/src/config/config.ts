import { configOrExit, databaseSettings, loadConfig, serviceSettings } from '@app/database/config';
import { z } from 'zod';

export { configOrExit };

/** 32 random bytes as hexadecimal, which are an ES256 private key; `dev_` marks one that was made for development. */
const signingKey = z
  .string()
  .regex(/^(dev_)?[0-9a-f]{64}$/, 'must be 64 hexadecimal digits: openssl rand -hex 32');

const schema = z
  .object({
    ...serviceSettings,
    ...databaseSettings,
    JWT_KEYS: z
      .string()
      .transform((text) => text.split(',').map((key) => key.trim()))
      .pipe(z.array(signingKey).min(1).max(2))
      .describe(
        'the key that signs tokens, and after a comma the one before it, whose tokens are still valid',
      ),
    JWT_ISSUER: z.string().min(1).default(serviceSettings.OTEL_SERVICE_NAME.parse(undefined)),
    JWT_AUDIENCE: z.string().min(1).default(serviceSettings.OTEL_SERVICE_NAME.parse(undefined)),
    ACCESS_TOKEN_TTL_SECONDS: z.coerce.number().int().min(1).max(3_600).default(300),
    REFRESH_TOKEN_TTL_SECONDS: z.coerce
      .number()
      .int()
      .min(60)
      .max(365 * 86_400)
      .default(30 * 86_400),
    LOGIN_ATTEMPTS_MAX: z.coerce.number().int().min(1).max(1_000).default(10),
    LOGIN_ATTEMPTS_WINDOW_SECONDS: z.coerce.number().int().min(1).max(86_400).default(900),
  })
  .refine(({ NODE_ENV, RATE_LIMIT_ENABLED }) => NODE_ENV !== 'production' || RATE_LIMIT_ENABLED, {
    path: ['RATE_LIMIT_ENABLED'],
    message: 'cannot be false in production',
  });

/** The running service's settings; `.env.example` documents each. */
export type Config = Readonly<z.output<typeof schema>>;

/** @throws ConfigError that names every missing or malformed variable */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig(schema, env);
}
