import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { parse } from 'secure-json-parse';
import { DomainError } from '../errors/domain-error.js';
import { assertJsonDepth } from './json-depth.js';

/**
 * Reads JSON, the only body that any route takes. Express's own parser would let a `__proto__` through, so it reads the
 * text, and secure-json-parse the JSON.
 */
export function readJsonBody(limit: number): RequestHandler[] {
  const readText = express.text({ type: 'application/json', limit });
  return [
    (request, response, next) => {
      if (hasBody(request) && !request.is('application/json')) {
        next(new DomainError('Send the body as application/json.', 'UNSUPPORTED_MEDIA_TYPE'));
        return;
      }
      readText(request, response, (error?: unknown) => next(error && describe(error)));
    },
    parseBody,
  ];
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function parseBody(request: Request, _response: Response, next: NextFunction): void {
  if (typeof request.body !== 'string') {
    next();
    return;
  }
  try {
    request.body = parse(request.body);
    assertJsonDepth(request.body);
    next();
  } catch (error) {
    next(
      error instanceof SyntaxError
        ? new DomainError('The body is not acceptable JSON.', 'MALFORMED_JSON')
        : error,
    );
  }
}

/** What the errors of body-parser mean, by their status. */
function describe(error: unknown): unknown {
  const { status } = error as { status?: unknown };
  if (status === 413)
    return new DomainError('The body is larger than this service takes.', 'PAYLOAD_TOO_LARGE');
  if (status === 415) {
    return new DomainError('The encoding of the body is not known here.', 'UNSUPPORTED_MEDIA_TYPE');
  }
  if (status === 400) return new DomainError('The body did not arrive as announced.', 'BAD_REQUEST');
  return error;
}
