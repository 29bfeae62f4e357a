import { COMMON_PROBLEMS } from './common-problems.ts';
import type { ProblemType } from './problem.ts';

/** Every code that the service answers with. The README's table of errors lists the same. */
export const PROBLEMS: Readonly<Record<string, ProblemType>> = {
  ...COMMON_PROBLEMS,
  UNAUTHORIZED: { status: 401, title: 'Unauthorized' },
  INVALID_CREDENTIALS: { status: 401, title: 'The credentials are not right' },
  INVALID_REFRESH_TOKEN: { status: 401, title: 'The refresh token is not good any more' },
  FORBIDDEN: { status: 403, title: 'Forbidden' },
  INSUFFICIENT_SCOPE: { status: 403, title: 'The API key does not reach this far' },
  EMAIL_TAKEN: { status: 409, title: 'The address is in use' },
  AUTH_REFUSED: { status: 400, title: 'Supabase Auth refused the request' },
  AUTH_UNAVAILABLE: { status: 503, title: 'Supabase Auth cannot be reached', retryAfter: 5 },

  PROJECT_NOT_FOUND: { status: 404, title: 'There is no such project' },
  MEMBER_NOT_FOUND: { status: 404, title: 'There is no such member' },
  USER_NOT_FOUND: { status: 404, title: 'There is no such user' },
  MEMBER_EXISTS: { status: 409, title: 'The user is a member already' },
  API_KEY_NOT_FOUND: { status: 404, title: 'There is no such API key' },

  PRECONDITION_REQUIRED: { status: 428, title: 'If-Match is required' },
  VERSION_CONFLICT: { status: 412, title: 'The resource has changed in the meantime' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The Idempotency-Key was used for another request' },
};
