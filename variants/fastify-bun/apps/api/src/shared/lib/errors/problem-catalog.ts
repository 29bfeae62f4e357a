import { COMMON_PROBLEMS } from './common-problems.js';
import type { ProblemType } from './problem.js';

/** Every code that the service answers with. The README's table of errors lists the same. */
export const PROBLEMS: Readonly<Record<string, ProblemType>> = {
  ...COMMON_PROBLEMS,
  UNAUTHORIZED: { status: 401, title: 'The request needs a log-in' },
  INVALID_EMAIL_OR_PASSWORD: { status: 401, title: 'The email or the password is wrong' },
  INVALID_PASSWORD: { status: 400, title: 'The password is wrong' },
  INVALID_TOKEN: { status: 400, title: 'The link is not valid, or was used already' },
  TOKEN_EXPIRED: { status: 401, title: 'The link has expired' },
  SESSION_REQUIRED: { status: 403, title: 'An API key is not enough' },
  ORIGIN_NOT_ALLOWED: { status: 403, title: 'The page may not call this service' },
  EMAIL_NOT_VERIFIED: { status: 403, title: 'The address is not confirmed yet' },
  INVALID_ORIGIN: { status: 403, title: 'The page may not call this service' },
  MISSING_OR_NULL_ORIGIN: { status: 403, title: 'The request does not say which page it comes from' },
  INVALID_REDIRECT_URL: { status: 403, title: 'The link may not lead there' },
  INVALID_CALLBACK_URL: { status: 403, title: 'The link may not lead there' },
  USER_NOT_FOUND: { status: 404, title: 'The account does not exist any more' },
  PROVIDER_KEY_NOT_FOUND: { status: 404, title: 'There is no such provider key' },
  PROVIDER_KEY_UNREADABLE: { status: 409, title: 'The stored key cannot be decrypted' },
  TOO_MANY_PROVIDER_KEYS: { status: 409, title: 'There are too many provider keys' },
  BASE_URL_NOT_ALLOWED: { status: 422, title: 'The base URL cannot be used' },
  PROVIDER_KEY_REJECTED: { status: 422, title: 'The provider does not accept the key' },
  MODEL_NOT_FOUND: { status: 422, title: 'The provider has no such model' },
  PROVIDER_REFUSED: { status: 422, title: 'The provider refuses the request' },
  PROVIDER_RATE_LIMITED: { status: 429, title: 'The provider takes no more requests', retryAfter: 30 },
  PROVIDER_UNAVAILABLE: { status: 502, title: 'The provider cannot be reached' },
  PROVIDER_STREAM_BROKEN: { status: 502, title: 'The provider broke off' },
  PROVIDER_TIMEOUT: { status: 504, title: 'The provider did not answer in time' },
  KEY_NOT_FOUND: { status: 404, title: 'There is no such API key' },
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: { status: 422, title: 'There is a user with this address' },
};
