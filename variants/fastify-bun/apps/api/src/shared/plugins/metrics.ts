import fp from 'fastify-plugin';
import { renderMetrics } from '../lib/telemetry/metrics.js';

/** For Prometheus; not part of the public API, so keep it off the public ingress. */
export const metricsPlugin = fp(
  async (app) => {
    app.get('/metrics', { config: { isPublic: true }, schema: { hide: true } }, async (_request, reply) =>
      reply
        .header('cache-control', 'no-store')
        .type('text/plain; version=0.0.4; charset=utf-8')
        .send(await renderMetrics()),
    );
  },
  { name: 'metrics' },
);
