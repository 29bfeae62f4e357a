import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { DomainError, type InputFault, ValidationError } from '../lib/errors/domain-error.js';
import { postgresToDomainError } from '../lib/errors/postgres-errors.js';
import {
  internalProblem,
  PROBLEM_JSON,
  type Problem,
  retryAfter,
  statusToProblem,
  toProblem,
} from '../lib/errors/problem.js';
import { PROBLEMS } from '../lib/errors/problem-catalog.js';

/** What the errors of Fastify mean, where their status alone would say too little. */
const FRAMEWORK_ERRORS: Readonly<Record<string, DomainError>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: new DomainError('The body is not JSON.', 'MALFORMED_JSON'),
};

/** The one place where errors become HTTP: every failure leaves as an RFC 9457 problem document. */
export const errorsPlugin = fp(
  async (app) => {
    app.setErrorHandler((error, request, reply) => sendProblem(reply, describe(error, request)));
    app.setNotFoundHandler((request, reply) =>
      sendProblem(
        reply,
        statusToProblem(404, `There is nothing at ${pathOf(request)}.`, pathOf(request), request.id),
      ),
    );
  },
  { name: 'errors' },
);

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const seconds = retryAfter(problem);
  if (seconds !== undefined) reply.header('retry-after', String(seconds));
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer'); // RFC 9110, 15.5.2
  return reply.status(problem.status).header('content-type', PROBLEM_JSON).send(JSON.stringify(problem));
}

function describe(error: unknown, request: FastifyRequest): Problem {
  const instance = pathOf(request);
  const known = asDomainError(error);
  if (known !== undefined) {
    const problem = toProblem(known, instance, request.id);
    if (problem.status >= 500) request.log.warn({ err: known, ...known.context }, known.message);
    return problem;
  }
  const { statusCode: status, message } = error as Partial<FastifyError>;
  if (status !== undefined && status >= 400 && status < 500) {
    // The router's message repeats the URL, whose query may hold what should be in no document.
    return statusToProblem(status, (message ?? '').replace(request.url, instance), instance, request.id);
  }
  request.log.error({ err: error }, 'unexpected error');
  return internalProblem(instance, request.id);
}

function asDomainError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return new ValidationError(faultsOf(error));
  // secure-json-parse, which Fastify reads bodies with, throws a plain SyntaxError.
  if (error instanceof SyntaxError && 'statusCode' in error)
    return FRAMEWORK_ERRORS.FST_ERR_CTP_INVALID_JSON_BODY;
  const { code, message, members } = error as Partial<FastifyError> & Pick<DomainError, 'members'>;
  if (code !== undefined && FRAMEWORK_ERRORS[code] !== undefined) return FRAMEWORK_ERRORS[code];
  // The modules' own errors, made by @fastify/error.
  if (code !== undefined && Object.hasOwn(PROBLEMS, code)) {
    return new DomainError(message ?? '', code, {}, members, { cause: (error as Error).cause });
  }
  return postgresToDomainError(error);
}

/** A fault of the query or the path is named by the parameter, one of the body by its place there. */
function faultsOf({ validation }: Pick<FastifyError, 'validation'>): InputFault[] {
  return (validation ?? []).flatMap(({ keyword, instancePath, message = 'is not valid', params }) => {
    const pointer = instancePath === '/' ? '' : instancePath;
    if (keyword !== 'unrecognized_keys') return [{ pointer, message }];
    // Zod reports unknown members together, at the object that has them.
    const { keys } = params as { keys: readonly string[] };
    return keys.map((key) => ({ pointer: `${pointer}/${escapePointer(key)}`, message: 'is not known' }));
  });
}

/** RFC 6901. */
function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '/';
}
