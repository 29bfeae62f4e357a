import type { FastifyError } from '@fastify/error';
import { APICallError, LoadAPIKeyError, RetryError } from 'ai';
import { DomainError } from '../../shared/lib/errors/domain-error.js';
import { ResponseTooLargeError } from '../../shared/lib/http/bounded-fetch.js';
import {
  ModelNotFoundError,
  ProviderAnswerTooLargeError,
  ProviderKeyRejectedError,
  ProviderRateLimitedError,
  ProviderRefusedError,
  ProviderStreamBrokenError,
  ProviderTimeoutError,
  ProviderUnavailableError,
} from './errors.js';

/** No provider is told to wait longer than this, in seconds. */
const RETRY_AFTER_LIMIT = 3_600;

/**
 * What a failure of a provider means to the user. The provider's own words stay behind, here and in the log: they repeat what was
 * asked, and some repeat the key.
 *
 * @param hasBegun whether a part of the answer was there already
 */
export function toProviderError(error: unknown, hasBegun = false): FastifyError | DomainError {
  const origin = RetryError.isInstance(error) ? error.lastError : error;
  const refusal = findCause(origin, DomainError);
  if (refusal !== undefined) return refusal;
  if (findCause(origin, ResponseTooLargeError) !== undefined) return new ProviderAnswerTooLargeError();
  if (isTimeout(origin)) return new ProviderTimeoutError();
  if (LoadAPIKeyError.isInstance(origin)) return new ProviderKeyRejectedError();
  const status = APICallError.isInstance(origin) ? origin.statusCode : undefined;
  switch (status) {
    case 401:
    case 403:
      return new ProviderKeyRejectedError();
    case 404:
      return new ModelNotFoundError();
    case 408:
      return new ProviderTimeoutError();
    case 429:
      return withRetryAfter(new ProviderRateLimitedError(), origin as APICallError);
  }
  if (status !== undefined && status >= 400 && status < 500) return new ProviderRefusedError();
  return hasBegun ? new ProviderStreamBrokenError() : new ProviderUnavailableError();
}

/** `pinned-fetch` and `bounded-fetch` refuse inside of the SDK, which wraps what they throw. */
function findCause<Kind extends Error>(
  error: unknown,
  kind: abstract new (...args: never[]) => Kind,
): Kind | undefined {
  if (error instanceof kind) return error;
  return error instanceof Error && error.cause !== undefined ? findCause(error.cause, kind) : undefined;
}

function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'TimeoutError' || (error.cause !== undefined && isTimeout(error.cause));
}

/** Hands the provider's `Retry-After` on, as seconds: an extension member of the problem document. */
function withRetryAfter(error: FastifyError, { responseHeaders }: APICallError): FastifyError {
  const seconds = Number(responseHeaders?.['retry-after']);
  if (!(seconds >= 0)) return error;
  return Object.assign(error, { members: { retryAfter: Math.min(Math.ceil(seconds), RETRY_AFTER_LIMIT) } });
}
