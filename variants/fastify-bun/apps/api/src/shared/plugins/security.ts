import cors, { type FastifyCorsOptions } from '@fastify/cors';
import helmet from '@fastify/helmet';
import underPressure from '@fastify/under-pressure';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { DomainError } from '../lib/errors/domain-error.js';
import { ALWAYS_ANSWERED } from '../lib/http/request-lifecycle.js';
import {
  corsOptions,
  type HttpSettings,
  refuseUnknownMethods,
  SECURITY_HEADERS,
} from '../lib/http/server.js';

/** Security headers, CORS by allow-list, 405 for methods that a path does not have, and 503 for what comes while the event loop is late. */
export const securityPlugin = fp<{ readonly settings: HttpSettings }>(
  async (app, { settings }) => {
    await app.register(helmet, SECURITY_HEADERS);
    const options = corsOptions(settings);
    await app.register(cors, {
      // Only those that may call hear that their cookie may come along.
      delegator: (request: FastifyRequest, done: (error: null, options: FastifyCorsOptions) => void) =>
        done(null, { ...options, credentials: options.origin.includes(request.headers.origin ?? '') }),
    });
    refuseUnknownMethods(app);
    if (settings.MAX_EVENT_LOOP_DELAY_MS === 0) return;
    await app.register(underPressure, {
      maxEventLoopDelay: settings.MAX_EVENT_LOOP_DELAY_MS,
      pressureHandler: (request) => {
        if (ALWAYS_ANSWERED.test(request.url)) return;
        throw new DomainError('The service has more to do than it can. Try again shortly.', 'OVERLOADED');
      },
    });
  },
  { name: 'security' },
);
