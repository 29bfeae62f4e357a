import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_JSON, statusToProblem } from '../errors/problem.js';

/** Errors of the router, over a path that it cannot read: NestJS and its filter never see the request. */
export function answerRouterError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const instance = request.url.split('?', 1)[0] ?? '/';
  const problem = statusToProblem(error.statusCode ?? 400, error.message, instance, request.id);
  void reply
    .code(problem.status)
    .header('content-type', PROBLEM_JSON)
    .header('x-request-id', request.id)
    .send(JSON.stringify(problem));
}
