import type { ProblemType } from './problem.js';

/** The codes that every service of the family answers with. */
export const COMMON_PROBLEMS = {
  BAD_REQUEST: { status: 400, title: 'The request cannot be understood' },
  VALIDATION_FAILED: { status: 400, title: 'The request is not valid' },
  MALFORMED_JSON: { status: 400, title: 'The body is not acceptable JSON' },
  NOT_FOUND: { status: 404, title: 'There is nothing at this path' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The path does not take this method' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  CONFLICT: { status: 409, title: 'The request conflicts with what is stored' },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The body is too large' },
  URI_TOO_LONG: { status: 414, title: 'The path is too long' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The body must be application/json' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The header fields are too large' },
  INTERNAL: { status: 500, title: 'The service failed' },
  OVERLOADED: { status: 503, title: 'The service has more to do than it can', retryAfter: 5 },
  DATABASE_UNAVAILABLE: { status: 503, title: 'The database cannot be reached', retryAfter: 5 },
  LOCK_TIMEOUT: { status: 503, title: 'A lock could not be had in time', retryAfter: 1 },
  STATEMENT_TIMEOUT: { status: 503, title: 'The database took too long', retryAfter: 5 },
  TRANSACTION_CONFLICT: { status: 503, title: 'Concurrent transactions kept colliding', retryAfter: 1 },
  HANDLER_TIMEOUT: { status: 503, title: 'The request took too long', retryAfter: 5 },
} as const satisfies Record<string, ProblemType>;
