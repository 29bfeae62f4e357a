import { id, pageQuery } from '@app/shared';
import { z } from 'zod';

export {
  Chat,
  CreateChat,
  ListChats,
  Message,
  page,
  pageQuery,
  SendMessage,
  SentMessage,
  UpdateChat,
  UpdateMessage,
} from '@app/shared';

export const ChatParams = z.object({ id });
export const MessageParams = z.object({ id, messageId: id });
export const ListMessages = pageQuery;

/** Where a client goes on that has lost its connection: the id of the last event that it has seen. */
export const ResumeHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .regex(/^\d{1,9}$/, 'must be the id of an event')
    .optional(),
});
