import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { assertJsonDepth } from '../lib/http/json-depth.js';
import { answerInTime, observeRequest } from '../lib/http/request-lifecycle.js';
import { requestContext } from '../lib/logging/logger.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** What the process is about to do. `draining`: it was asked to stop, and answers what it has accepted. */
    readonly lifecycle: { draining: boolean };
  }
  interface FastifyContextConfig {
    /**
     * In milliseconds, for requests that may take longer than others to begin their answer; undefined for one that may not.
     * It is asked when the body is there.
     */
    readonly timeoutMs?: (request: FastifyRequest) => number | undefined;
  }
}

const SWEEP_MS = 50;

/** Names each request, bounds its time, and writes its line of the log and its measurement. */
export const requestContextPlugin = fp<{ readonly timeoutMs: number }>(
  async (app, { timeoutMs }) => {
    const lifecycle = { draining: false };
    app.decorate('lifecycle', lifecycle);

    // Bun closes the connections that are idle when the server closes, and leaves those open that become so afterwards.
    let sweep: NodeJS.Timeout | undefined;
    app.addHook('preClose', async () => {
      lifecycle.draining = true;
      sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
    });
    app.addHook('onClose', async () => clearInterval(sweep));

    app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
      reply.header('x-request-id', request.id);
      // So that no client sends its next request into a connection that is about to be closed.
      if (lifecycle.draining) reply.header('connection', 'close');
      if (request.routeOptions.config.timeoutMs === undefined) answerInTime(reply, timeoutMs);
      requestContext.run({ requestId: request.id }, done);
    });
    app.addHook('preValidation', (request, reply, done) => {
      const { timeoutMs: limitFor } = request.routeOptions.config;
      if (limitFor !== undefined) answerInTime(reply, limitFor(request) ?? timeoutMs);
      try {
        assertJsonDepth(request.body);
        // Again: a body arrives in events of the socket, which know nothing of the request.
        requestContext.run({ requestId: request.id }, done);
      } catch (error) {
        done(error as Error);
      }
    });
    app.addHook('onResponse', observeRequest);
  },
  { name: 'request-context' },
);
