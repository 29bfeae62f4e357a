import { once } from 'node:events';
import { Redis } from 'ioredis';
import { config } from '@/lib/config/config';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';

const CONNECT_TIMEOUT_MS = 3_000;

/** The connection to Valkey or Redis. A command fails at once while there is none, instead of waiting for it. */
export function redis(): Redis {
  return processWide('redis', () => {
    const client = new Redis(config().REDIS_URL, {
      keyPrefix: `${config().OTEL_SERVICE_NAME}:`,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: 1_000,
      connectTimeout: CONNECT_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
    });
    client.on('error', (error) => log().warn({ err: error }, 'Redis does not answer'));
    return client;
  });
}

/** Waits for the connection, for a moment: a service whose Redis is away starts all the same. */
export async function connectRedis(): Promise<void> {
  const client = redis();
  if (client.status === 'ready') return;
  await once(client, 'ready', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) }).catch(() => {});
}
