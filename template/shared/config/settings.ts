import { z } from 'zod';

const SERVICE_NAME = '[[ project_slug ]]';
const DEFAULT_PORT = [[ port ]];

const integer = (minimum: number, maximum: number) => z.coerce.number().int().min(minimum).max(maximum);

const postgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// URL' });

const origin = z
  .string()
  .refine(
    (value) => URL.canParse(value) && new URL(value).origin === value,
    'must be origins such as https://app.example.com',
  );

const proxy = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

/** Splits `a, b` into `['a', 'b']`. */
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** What every service is configured with; a service adds its own settings to these. */
export const serviceSettings = {
  NODE_ENV: z.enum(['development', 'test', 'production']).default('production'),
  HOST: z.string().min(1).default('0.0.0.0'),
  PORT: integer(0, 65_535).default(DEFAULT_PORT),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),

  CORS_ORIGINS: list
    .pipe(z.array(origin))
    .default([])
    .describe('comma-separated origins that browsers may call from'),
  TRUST_PROXY: z
    .union([z.stringbool(), list.pipe(z.array(proxy))])
    .default(false)
    .describe('addresses or CIDR ranges of the proxies whose X-Forwarded-For is believed, or true or false'),
  BODY_LIMIT_BYTES: integer(1_024, 104_857_600).default(1_048_576),
  REQUEST_TIMEOUT_MS: integer(100, 600_000).default(10_000),
  KEEP_ALIVE_TIMEOUT_MS: integer(1_000, 600_000)
    .default(72_000)
    .describe('how long an idle connection stays open; longer than a balancer keeps it'),
  SHUTDOWN_DRAIN_MS: integer(0, 60_000)
    .default(1_000)
    .describe(
      'how long SIGTERM leaves the service answering while readiness says 503, so that balancers look away',
    ),
  RATE_LIMIT_ENABLED: z.stringbool().default(true),
  RATE_LIMIT_MAX: integer(1, 1_000_000).default(300).describe('requests per client and window'),
  RATE_LIMIT_WINDOW_SECONDS: integer(1, 86_400).default(60),
  RATE_LIMIT_IPV6_PREFIX: integer(1, 128)
    .default(64)
    .describe('the bits of an IPv6 address that identify a client'),
  MAX_EVENT_LOOP_DELAY_MS: integer(0, 60_000)
    .default(1_000)
    .describe('answer 503 while the event loop is later than this; 0 switches load shedding off'),

  OTEL_SERVICE_NAME: z.string().min(1).default(SERVICE_NAME),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe('where traces are sent, e.g. http://localhost:4318'),
};

/** How the service reaches PostgreSQL. */
export const databaseSettings = {
  DATABASE_URL: postgresUrl.describe(
    'the application role, e.g. postgresql://app:password@localhost:5432/app',
  ),
  DATABASE_POOL_MAX: integer(1, 1_000).default(20),
  DATABASE_CONNECT_TIMEOUT_MS: integer(100, 60_000).default(3_000),
  DATABASE_LOCK_TIMEOUT_MS: integer(1, 600_000).default(2_000),
  DATABASE_STATEMENT_TIMEOUT_MS: integer(1, 600_000).default(5_000),
  DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: integer(1, 600_000).default(10_000),
};

/** What the commands that change the schema need besides. */
export const migrationSettings = {
  MIGRATION_DATABASE_URL: postgresUrl
    .optional()
    .describe('the role that owns the schema; DATABASE_URL is used where it is not set'),
[%- if variant in ["nest-typeorm", "nest-drizzle", "fastify-bun"] %]
  MIGRATION_STATEMENT_TIMEOUT_MS: z.coerce.number().int().min(0).max(86_400_000).default(600_000),
[%- endif %]
};
