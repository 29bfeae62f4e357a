import createError from '@fastify/error';

export const UnauthorizedError = createError(
  'UNAUTHORIZED',
  'Log in and send the session cookie, `Authorization: Bearer <token>` or `X-Api-Key: <key>`.',
  401,
);

export const SessionRequiredError = createError(
  'SESSION_REQUIRED',
  'An API key cannot change the account: log in with email and password.',
  403,
);

export const SessionNotFreshError = createError(
  'SESSION_NOT_FRESH',
  'This cannot be undone: log in again with your password first.',
  403,
);

export const OriginNotAllowedError = createError(
  'ORIGIN_NOT_ALLOWED',
  'The page that sent this request is not one of the origins in CORS_ORIGINS.',
  403,
);
