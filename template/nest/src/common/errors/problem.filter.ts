import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { DomainError } from './domain-error.js';
import { postgresToDomainError } from './postgres-errors.js';
import {
  internalProblem,
  PROBLEM_JSON,
  type Problem,
  retryAfter,
  statusToProblem,
  toProblem,
} from './problem.js';

/** The parts of Fastify's and Express's request and reply that the filter needs. */
interface HttpRequest {
  readonly id: string;
  readonly url: string;
}
interface HttpReply {
  /** Express's; Fastify's is `sent`. */
  readonly headersSent?: boolean;
  readonly sent?: boolean;
  status(status: number): this;
  header(name: string, value: string): this;
  send(body: unknown): unknown;
}

/** What the errors of Fastify mean, where their status alone would say too little. */
const FRAMEWORK_ERRORS: Readonly<Record<string, DomainError>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: new DomainError('The body is not JSON.', 'MALFORMED_JSON'),
};

/** The one place where errors become HTTP: every failure leaves as an RFC 9457 problem document. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<HttpRequest>();
    const reply = host.switchToHttp().getResponse<HttpReply>();
    const problem = this.describe(exception, request);
    // Answered already, since it took too long.
    if (reply.headersSent === true || reply.sent === true) return;

    const seconds = retryAfter(problem);
    if (seconds !== undefined) reply.header('retry-after', String(seconds));
[%- if variant != 'nest-typeorm' %]
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer'); // RFC 9110, 15.5.2
[%- endif %]
    reply.status(problem.status).header('content-type', PROBLEM_JSON).send(JSON.stringify(problem));
  }

  private describe(exception: unknown, request: HttpRequest): Problem {
    const instance = request.url.split('?', 1)[0] ?? '/';
    const known = asDomainError(exception);
    if (known !== undefined) {
      const problem = toProblem(known, instance, request.id);
      if (problem.status >= 500) this.logger.warn({ err: known, ...known.context }, known.message);
      return problem;
    }
    const status = clientFaultStatus(exception);
    if (status !== undefined) {
      // The router's message repeats the URL, whose query may hold what should be in no document.
      const detail = (exception as Error).message.replace(request.url, instance);
      return statusToProblem(status, detail, instance, request.id);
    }
    this.logger.error({ err: exception }, 'unexpected error');
    return internalProblem(instance, request.id);
  }
}

function asDomainError(exception: unknown): DomainError | undefined {
  if (exception instanceof DomainError) return exception;
  // NestJS hands Fastify's own errors on as the cause of an HttpException.
  const origin = exception instanceof HttpException ? exception.cause : exception;
  // secure-json-parse, which Fastify reads bodies with, throws a plain SyntaxError.
  if (origin instanceof SyntaxError && 'statusCode' in origin)
    return FRAMEWORK_ERRORS.FST_ERR_CTP_INVALID_JSON_BODY;
  const code = (origin as { code?: unknown } | null | undefined)?.code;
  return (typeof code === 'string' ? FRAMEWORK_ERRORS[code] : undefined) ?? postgresToDomainError(exception);
}

/** The 4xx status of an error that NestJS, Fastify or a middleware raised over the request. */
function clientFaultStatus(exception: unknown): number | undefined {
  if (!(exception instanceof Error)) return undefined;
  const status =
    exception instanceof HttpException
      ? exception.getStatus()
      : (exception as { statusCode?: unknown }).statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
