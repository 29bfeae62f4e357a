import fp from 'fastify-plugin';
import { Redis } from 'ioredis';

declare module 'fastify' {
  interface FastifyInstance {
    readonly valkey: Redis;
  }
}

/** The connection to Valkey. A command that cannot be sent fails at once: nothing waits for Valkey to come back. */
export const valkeyPlugin = fp<{ readonly url: string }>(
  async (app, { url }) => {
    const valkey = new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      connectTimeout: 3_000,
      commandTimeout: 1_000,
      retryStrategy: (attempt) => Math.min(attempt * 50, 1_000),
    });
    valkey.on('error', (error) => app.log.warn({ err: error }, 'Valkey cannot be reached'));
    app.decorate('valkey', valkey);
    // Without it the service starts all the same, and readiness says what is missing.
    app.addHook('onReady', () => valkey.connect().catch(() => {}));
    app.addHook('onClose', () => valkey.disconnect());
  },
  { name: 'valkey' },
);
