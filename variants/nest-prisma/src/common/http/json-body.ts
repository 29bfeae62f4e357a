import { isUtf8 } from 'node:buffer';
import { MIMEType } from 'node:util';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import getRawBody from 'raw-body';
import { parse } from 'secure-json-parse';
import { DomainError } from '../errors/domain-error.js';
import { assertJsonDepth } from './json-depth.js';

/**
 * Reads JSON, the only body that any route takes. Express's own parser would let a `__proto__` through, and before it says
 * that a body is too large it reads all of it, which may never end.
 *
 * @param limit in bytes
 */
export function readJsonBody(limit: number): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    if (!hasBody(request)) {
      next();
      return;
    }
    if (!isJson(request)) {
      next(new DomainError('Send the body as application/json, in UTF-8.', 'UNSUPPORTED_MEDIA_TYPE'));
      return;
    }
    const length = request.headers['content-length'];
    getRawBody(request, { limit, ...(length !== undefined && { length }) }, (error, body) => {
      if (error) {
        // What is still to come is not waited for.
        response.setHeader('connection', 'close');
        next(describe(error));
        return;
      }
      if (!isUtf8(body)) {
        next(new DomainError('The body is not UTF-8.', 'MALFORMED_JSON'));
        return;
      }
      try {
        request.body = parse(body.toString());
        assertJsonDepth(request.body);
        next();
      } catch (reason) {
        next(
          reason instanceof SyntaxError
            ? new DomainError('The body is not acceptable JSON.', 'MALFORMED_JSON')
            : reason,
        );
      }
    });
  };
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Whether the headers say that the body is JSON, in UTF-8 (RFC 8259, 8.1). */
function isJson(request: Request): boolean {
  const { 'content-type': type = '', 'content-encoding': coding = 'identity' } = request.headers;
  if (!request.is('application/json') || coding !== 'identity') return false;
  const charset = new MIMEType(type).params.get('charset') ?? 'utf-8';
  return /^utf-?8$/i.test(charset);
}

/** What the errors of raw-body mean. */
function describe(error: getRawBody.RawBodyError): unknown {
  return error.type === 'entity.too.large'
    ? new DomainError('The body is larger than this service takes.', 'PAYLOAD_TOO_LARGE')
    : new DomainError('The body did not arrive as announced.', 'BAD_REQUEST');
}
