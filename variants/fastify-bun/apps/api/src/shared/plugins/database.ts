import fp from 'fastify-plugin';
import { createDatabase, createPool, type Database, type PoolSettings } from '../db/client.js';
import { meter } from '../lib/telemetry/metrics.js';

declare module 'fastify' {
  interface FastifyInstance {
    readonly db: Database;
  }
}

/** The connections to PostgreSQL, as long as the application lives, with their state as metrics. */
export const databasePlugin = fp<{
  readonly settings: PoolSettings & { readonly OTEL_SERVICE_NAME: string };
}>(
  async (app, { settings }) => {
    const pool = createPool(settings, settings.OTEL_SERVICE_NAME);
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    pool.on('error', (error) => app.log.warn({ err: error }, 'a connection to the database broke'));
    app.decorate('db', createDatabase(pool));
    app.addHook('onClose', () => pool.end());

    // Named as OpenTelemetry's database conventions have it.
    meter
      .createObservableGauge('db.client.connection.count', {
        description: 'Connections of the pool, by state',
      })
      .addCallback((result) => {
        result.observe(pool.idleCount, { 'db.client.connection.state': 'idle' });
        result.observe(pool.totalCount - pool.idleCount, { 'db.client.connection.state': 'used' });
      });
    meter
      .createObservableGauge('db.client.connection.pending_requests', {
        description: 'Requests that wait for a connection',
      })
      .addCallback((result) => result.observe(pool.waitingCount));
  },
  { name: 'database' },
);
