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
export const VersionHeaders = z.looseObject({
  'if-match': z.string().optional().describe('the ETag last read, e.g. "3"; 428 without it'),
});
export const ReadHeaders = z.looseObject({
  'if-none-match': z.string().optional().describe('ETags already held'),
});
export const MessageParams = z.object({ id, messageId: id });
export const ListMessages = pageQuery;

/** Where a client goes on that has lost its connection: the id of the last event that it has seen. */
export const ResumeHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .regex(/^\d{1,9}$/, 'must be the id of an event')
    .optional(),
});
