import createError from '@fastify/error';

export const UserNotFoundError = createError('USER_NOT_FOUND', 'This account does not exist any more.', 404);

export const ExportInProgressError = createError(
  'EXPORT_IN_PROGRESS',
  'An export of this account is being sent. Try again when it has ended.',
  429,
);
