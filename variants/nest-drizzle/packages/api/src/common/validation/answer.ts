import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';

declare module 'fastify' {
  interface FastifyContextConfig {
    answer?: z.ZodType;
  }
}

/** What a handler answers with: a member that the schema does not name never leaves. */
export const Answer = (answer: z.ZodType) => RouteConfig({ answer });

/** Parses what handlers answer with, before it is written as JSON. An answer that breaks its schema is a fault of ours. */
@Injectable()
export class AnswerParser {
  constructor({ httpAdapter }: HttpAdapterHost) {
    const fastify: FastifyInstance = httpAdapter.getInstance();
    fastify.addHook('preSerialization', (request, _reply, payload, done) => {
      const result = request.routeOptions.config.answer?.safeParse(payload);
      if (result === undefined) done(null, payload);
      else if (result.success) done(null, result.data);
      else done(new Error(`the answer breaks its schema: ${result.error.message}`));
    });
  }
}
