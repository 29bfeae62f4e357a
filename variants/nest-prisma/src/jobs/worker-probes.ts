import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { renderMetrics } from '../common/telemetry/metrics.js';

/** `/metrics` for Prometheus and `/health/live` for the orchestrator, of a process that serves nothing else. */
export async function listenForProbes(config: {
  readonly WORKER_PORT: number;
  readonly HOST: string;
}): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.url === '/health/live') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}');
    } else if (request.url === '/metrics') {
      const metrics = await renderMetrics();
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(metrics);
    } else {
      response.writeHead(404).end();
    }
  });
  server.listen(config.WORKER_PORT, config.HOST);
  await once(server, 'listening');
  return server;
}
