import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { assertJsonDepth } from '../lib/http/json-depth.js';
import { ALWAYS_ANSWERED, answerInTime, loggedPath, observeRequest } from '../lib/http/request-lifecycle.js';
import { requestContext } from '../lib/logging/logger.js';
import { tracer } from '../lib/telemetry/tracing.js';

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

    const liftLimit = new WeakMap<FastifyRequest, () => void>();
    const traces = new WeakMap<FastifyRequest, Context>();
    /** Whatever happens meanwhile, and is logged, belongs to the request. */
    const run = (request: FastifyRequest, done: () => void) =>
      context.with(traces.get(request) ?? ROOT_CONTEXT, () =>
        requestContext.run({ requestId: request.id }, done),
      );

    app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
      reply.header('x-request-id', request.id);
      liftLimit.set(request, answerInTime(reply, timeoutMs));
      const traced = startSpan(request);
      if (traced !== undefined) traces.set(request, traced);
      run(request, done);
    });
    // At the end, so that requests that were under way say so too: no client sends its next one into a connection that is
    // about to be closed.
    app.addHook('onSend', async (_request, reply) => {
      if (lifecycle.draining) reply.header('connection', 'close');
    });
    app.addHook('preValidation', (request, reply, done) => {
      const longer = request.routeOptions.config.timeoutMs?.(request);
      if (longer !== undefined) {
        liftLimit.get(request)?.();
        answerInTime(reply, longer);
      }
      try {
        assertJsonDepth(request.body);
        // Again: a body arrives in events of the socket, which know nothing of the request.
        run(request, done);
      } catch (error) {
        done(error as Error);
      }
    });
    app.addHook('onResponse', (request, reply, done) => {
      run(request, () => observeRequest(request, reply, done));
      const traced = traces.get(request);
      if (traced !== undefined) endSpan(traced, reply.statusCode);
    });
  },
  { name: 'request-context' },
);

/** The span of a request, as part of the trace that its client names; undefined where nothing is traced. */
function startSpan(request: FastifyRequest): Context | undefined {
  const { headers, method, url } = request;
  if (ALWAYS_ANSWERED.test(url)) return undefined;
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  const attributes = { 'http.request.method': method, 'url.path': loggedPath(request) };
  const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
  return span.isRecording() ? trace.setSpan(parent, span) : undefined;
}

function endSpan(traced: Context, status: number): void {
  const span = trace.getSpan(traced);
  span?.setAttribute('http.response.status_code', status);
  if (status >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
  span?.end();
}
