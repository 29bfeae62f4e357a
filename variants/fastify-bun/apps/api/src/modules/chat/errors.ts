import createError from '@fastify/error';

export const ChatNotFoundError = createError('CHAT_NOT_FOUND', 'There is no chat with this id.', 404);

export const ChatChangedError = createError(
  'VERSION_CONFLICT',
  'The chat was changed in between. Read it again, and repeat the change where it still makes sense.',
  412,
);

export const MessageNotFoundError = createError(
  'MESSAGE_NOT_FOUND',
  'There is no message with this id in this chat.',
  404,
);

export const NoProviderKeyError = createError(
  'NO_PROVIDER_KEY',
  'The chat has no provider key, or it was deleted. Choose one: PATCH the chat with providerKeyId.',
  409,
);

export const AnswerInProgressError = createError(
  'ANSWER_IN_PROGRESS',
  'The last message is still being answered. Wait for the answer, or stop it.',
  409,
);

export const TooManyAnswersError = createError(
  'TOO_MANY_ANSWERS',
  'The user has as many unfinished answers and tests of keys as are allowed. Wait for one, or stop it.',
  429,
);

export const AnswerInterruptedError = createError(
  'ANSWER_INTERRUPTED',
  'The process that made this answer has ended. Send the message again.',
  502,
);

export const TooManyStreamsError = createError(
  'RATE_LIMITED',
  'The user reads as many streams as are allowed. Close one.',
  429,
);
