import createError from '@fastify/error';

export const UserNotFoundError = createError('USER_NOT_FOUND', 'This account does not exist any more.', 404);
