import { Redis } from 'ioredis';
import { config } from '@/lib/config/config';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';

/** The connection to Valkey or Redis. A command fails at once while there is none, instead of waiting for it. */
export function redis(): Redis {
  return processWide('redis', () => {
    const client = new Redis(config().REDIS_URL, {
      keyPrefix: `${config().OTEL_SERVICE_NAME}:`,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: 1_000,
      connectTimeout: 3_000,
      retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
    });
    client.on('error', (error) => log().warn({ err: error }, 'Redis does not answer'));
    return client;
  });
}
