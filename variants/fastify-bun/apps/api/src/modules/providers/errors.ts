import createError from '@fastify/error';

export const ProviderKeyNotFoundError = createError(
  'PROVIDER_KEY_NOT_FOUND',
  'There is no provider key with this id.',
  404,
);

export const ProviderKeyUnreadableError = createError(
  'PROVIDER_KEY_UNREADABLE',
  'The stored key cannot be decrypted any more. Store it again.',
  409,
);

export const ProviderKeyRejectedError = createError(
  'PROVIDER_KEY_REJECTED',
  'The provider does not accept the stored key. Replace it by one that is valid.',
  422,
);

export const ModelNotFoundError = createError(
  'MODEL_NOT_FOUND',
  'The provider has no such model, or not for this key.',
  422,
);

export const ProviderRefusedError = createError(
  'PROVIDER_REFUSED',
  'The provider refuses this request. It may be too long, or ask for what the model cannot do.',
  422,
);

export const ProviderRateLimitedError = createError(
  'PROVIDER_RATE_LIMITED',
  'The provider takes no more requests for this key at the moment.',
  429,
);

export const ProviderUnavailableError = createError(
  'PROVIDER_UNAVAILABLE',
  'The provider cannot be reached, or fails.',
  502,
);

export const ProviderStreamBrokenError = createError(
  'PROVIDER_STREAM_BROKEN',
  'The provider broke off in the middle of its answer.',
  502,
);

export const ProviderAnswerTooLargeError = createError(
  'PROVIDER_ANSWER_TOO_LARGE',
  'The provider sent more than an answer may hold. The part before the limit is kept.',
  502,
);

export const ProviderTimeoutError = createError(
  'PROVIDER_TIMEOUT',
  'The provider did not answer in time.',
  504,
);

export const TooManyTestsError = createError(
  'TOO_MANY_ANSWERS',
  'The user has as many unfinished answers and tests of keys as are allowed. Wait for one, or stop it.',
  429,
);

export const TooManyProviderKeysError = createError(
  'TOO_MANY_PROVIDER_KEYS',
  'There are 50 provider keys already. Delete one that is not needed.',
  409,
);
