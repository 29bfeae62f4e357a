import type { chats, messages } from '../../shared/db/schema/index.js';

export type ChatRow = typeof chats.$inferSelect;
export type NewChatRow = typeof chats.$inferInsert;
export type MessageRow = typeof messages.$inferSelect;
export type NewMessageRow = typeof messages.$inferInsert;

/** What other modules may ask of this one. */
export interface ChatAccess {
  /** The ids of the answers that are being made for a user, in any process. */
  findRunning(userId: string): Promise<string[]>;

  /** Stops answers, wherever they are being made. */
  stopAll(ids: readonly string[]): Promise<void>;
}

/** What is known of an answer when it is over. */
export type AnswerResult = Pick<
  MessageRow,
  'parts' | 'text' | 'status' | 'errorCode' | 'provider' | 'model' | 'inputTokens' | 'outputTokens'
>;

/** How many answers of one user may be made at the same time. */
export interface AnswerLimit {
  readonly max: number;
  /** Older ones are over, even if their process could not write so. */
  readonly since: Date;
}
