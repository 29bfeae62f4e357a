import { sql } from 'drizzle-orm';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

/** Longer than a dependency that is well ever takes, shorter than the period of a probe. */
const PING_LIMIT_MS = 1_000;

interface Ping {
  readonly status: 'up' | 'down';
  /** In milliseconds. */
  readonly responseTime: number;
}

/** For orchestrators and balancers; not part of the public API. */
export const healthPlugin = fp(
  async (app) => {
    const dependencies: Readonly<Record<string, () => Promise<unknown>>> = {
      database: () => app.db.execute(sql`SELECT 1`),
      valkey: () => app.valkey.ping(),
    };
    const options = { config: { isPublic: true }, schema: { hide: true } };

    /** Whether the process runs. It asks nothing else: restarting the service does not mend what it depends on. */
    app.get('/health/live', options, async (_request, reply) => {
      reply.header('cache-control', 'no-store');
      return { status: 'ok' };
    });

    /** Whether requests should come here: each dependency with its status and latency in milliseconds. */
    app.get('/health/ready', options, async (_request, reply) => {
      reply.header('cache-control', 'no-store');
      if (app.lifecycle.draining) return reply.status(503).send({ status: 'shutting_down', details: {} });
      const pings = Object.entries(dependencies).map(
        async ([name, ask]) => [name, await ping(app, name, ask)] as const,
      );
      const details = Object.fromEntries(await Promise.all(pings));
      const isReady = Object.values(details).every(({ status }) => status === 'up');
      return reply.status(isReady ? 200 : 503).send({ status: isReady ? 'ok' : 'error', details });
    });
  },
  { name: 'health', dependencies: ['database', 'valkey', 'request-context'] },
);

async function ping(app: FastifyInstance, name: string, ask: () => Promise<unknown>): Promise<Ping> {
  const started = performance.now();
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => limit.reject(new Error(`no answer within ${PING_LIMIT_MS} ms`)),
    PING_LIMIT_MS,
  );
  try {
    await Promise.race([ask(), limit.promise]);
    return { status: 'up', responseTime: Math.round(performance.now() - started) };
  } catch (error) {
    // The driver's message names hosts and ports: it is for the log alone.
    app.log.warn({ err: error, dependency: name }, 'a dependency does not answer');
    return { status: 'down', responseTime: Math.round(performance.now() - started) };
  } finally {
    clearTimeout(timer);
  }
}
