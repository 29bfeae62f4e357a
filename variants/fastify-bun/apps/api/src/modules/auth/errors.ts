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
  'This needs a recent login: sign in again with your password first.',
  403,
);

export const WrongPasswordError = createError(
  'INVALID_EMAIL_OR_PASSWORD',
  'This is not the password of the account. If you do not know it, request a password reset.',
  401,
);

export const WrongCurrentPasswordError = createError(
  'INVALID_PASSWORD',
  'currentPassword is not the password of the account. If you do not know it, request a password reset.',
  400,
);

export const TooManyApiKeysError = createError(
  'TOO_MANY_API_KEYS',
  'There are 50 API keys already. Delete one that is not needed.',
  409,
);

export const InvalidLinkError = createError(
  'INVALID_TOKEN',
  'The link is invalid or expired. Request another one.',
  400,
);

export const InvalidCallbackUrlError = createError(
  'INVALID_CALLBACK_URL',
  'callbackURL must be a path or lead to one of the origins in CORS_ORIGINS.',
  403,
);

export const OriginNotAllowedError = createError(
  'ORIGIN_NOT_ALLOWED',
  'The page that sent this request is not one of the origins in CORS_ORIGINS.',
  403,
);
