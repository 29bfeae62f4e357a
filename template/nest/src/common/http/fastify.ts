import underPressure from '@fastify/under-pressure';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { DomainError } from '../errors/domain-error.js';
import { requestContext } from '../logging/logger.js';
import { Drain } from './drain.js';
import { assertJsonDepth } from './json-depth.js';
import { ALWAYS_ANSWERED, answerInTime, observeRequest } from './request-lifecycle.js';
import {
  corsOptions,
  type HttpSettings,
  readJsonBodies,
  refuseUnknownMethods,
  SECURITY_HEADERS,
  serverOptions,
} from './server.js';

export function createFastifyAdapter(settings: HttpSettings, logger: Logger): FastifyAdapter {
  const adapter = new ReplyOnceAdapter(serverOptions(settings, logger));
  const fastify = adapter.getInstance();
  // JSON is the only body that any route takes.
  fastify.removeContentTypeParser('text/plain');
  readJsonBodies(fastify);
  return adapter;
}

/** Drops what a handler returns after `answerInTime` has answered: Fastify would log each as an error. */
class ReplyOnceAdapter extends FastifyAdapter {
  override reply(...[response, body, statusCode]: Parameters<FastifyAdapter['reply']>) {
    if ('sent' in response && response.sent) return response as ReturnType<FastifyAdapter['reply']>;
    return super.reply(response, body, statusCode);
  }
}

/** Everything between the socket and the controllers: headers, CORS, load shedding, limits, log line and metrics. */
export async function configureHttp(app: NestFastifyApplication, settings: HttpSettings): Promise<void> {
  const drain = app.get(Drain);
  const fastify = app.getHttpAdapter().getInstance();
  // First of all, so that requests that are shed have these too.
  fastify.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    reply.header('x-request-id', request.id);
    answerInTime(reply, settings.REQUEST_TIMEOUT_MS);
    requestContext.run({ requestId: request.id }, done);
  });
  app.useSecurityHeaders(SECURITY_HEADERS);
  app.enableCors(corsOptions(settings));
  refuseUnknownMethods(fastify);
  if (settings.MAX_EVENT_LOOP_DELAY_MS > 0) {
    await app.register(underPressure, {
      maxEventLoopDelay: settings.MAX_EVENT_LOOP_DELAY_MS,
      pressureHandler: (request: FastifyRequest) => {
        if (ALWAYS_ANSWERED.test(request.url)) return;
        throw new DomainError('The service has more to do than it can. Try again shortly.', 'OVERLOADED');
      },
    });
  }
  fastify.addHook(
    'preValidation',
    (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
      try {
        assertJsonDepth(request.body);
        // Again: a body arrives in events of the socket, which know nothing of the request.
        requestContext.run({ requestId: request.id }, done);
      } catch (error) {
        done(error as Error);
      }
    },
  );
  // At the end, so that requests that were under way when the process was told to stop say so too: a connection that is
  // kept would keep the process.
  fastify.addHook(
    'onSend',
    (_request: FastifyRequest, reply: FastifyReply, _payload: unknown, done: () => void) => {
      if (drain.draining) reply.header('connection', 'close');
      done();
    },
  );
  fastify.addHook('onResponse', observeRequest);
}
