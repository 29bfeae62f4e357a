import type { chats, messages } from '../../shared/db/schema/index.js';

export type ChatRow = typeof chats.$inferSelect;
export type NewChatRow = typeof chats.$inferInsert;
export type MessageRow = typeof messages.$inferSelect;
export type NewMessageRow = typeof messages.$inferInsert;

/** What is known of an answer when it is over. */
export type AnswerResult = Pick<
  MessageRow,
  'parts' | 'text' | 'status' | 'errorCode' | 'provider' | 'model' | 'inputTokens' | 'outputTokens'
>;
