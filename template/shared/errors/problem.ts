import { STATUS_CODES } from 'node:http';
import { type DomainError, type InputFault, type Json, ValidationError } from './domain-error.js';
import { PROBLEMS } from './problem-catalog.js';

/** The media type of RFC 9457. */
export const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/** A problem document (RFC 9457) with the family's members `code`, `requestId` and `errors`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly requestId: string;
  readonly errors?: readonly InputFault[];
  readonly [member: string]: unknown;
}

/** What a code means over HTTP. `retryAfter` is in seconds. */
export interface ProblemType {
  readonly status: number;
  readonly title: string;
  readonly retryAfter?: number;
}

/** Codes for statuses that a framework gives without naming a reason. */
const CODE_BY_STATUS: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  414: 'URI_TOO_LONG',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'RATE_LIMITED',
  431: 'HEADERS_TOO_LARGE',
  503: 'OVERLOADED',
};

/**
 * The problem document of a domain error.
 *
 * @param instance the path of the request, without its query
 */
export function toProblem(error: DomainError, instance: string, requestId: string): Problem {
  const type = PROBLEMS[error.code];
  if (type === undefined) throw new Error(`${error.code} is not in the problem catalog`, { cause: error });
  return {
    ...describe(error.code, type, instance, requestId, error.message),
    ...error.members,
    ...(error instanceof ValidationError ? { errors: error.faults } : {}),
  };
}

/** The problem document of a status that the framework chose. The framework's words go out only below 500. */
export function statusToProblem(
  status: number,
  detail: string,
  instance: string,
  requestId: string,
): Problem {
  const code = CODE_BY_STATUS[status] ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL');
  const type = { status, title: STATUS_CODES[status] ?? 'Error', ...PROBLEMS[code] };
  return describe(code, { ...type, status }, instance, requestId, detail);
}

/** What a client may know of a fault of ours: nothing but the request's id. */
export function internalProblem(instance: string, requestId: string): Problem {
  const detail = 'The service failed to answer. The request id leads to the reason in the log.';
  return statusToProblem(500, detail, instance, requestId);
}

/** Seconds for `Retry-After`, where trying again later makes sense: the error's own member, or what its code says. */
export function retryAfter({ code, retryAfter: own }: Problem): number | undefined {
  return typeof own === 'number' ? own : PROBLEMS[code]?.retryAfter;
}

function describe(code: string, type: ProblemType, instance: string, requestId: string, detail: string) {
  return {
    type: `urn:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: type.title,
    status: type.status,
    detail,
    instance,
    code,
    requestId,
  } satisfies Record<string, Json>;
}
