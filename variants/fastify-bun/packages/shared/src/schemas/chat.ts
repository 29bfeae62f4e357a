import { z } from 'zod';
import { id, instant, pageQuery, plainText } from './common.js';

const title = plainText(1, 200);
const model = plainText(1, 200).describe('as the provider names it');
const systemPrompt = plainText(1, 10_000)
  .nullable()
  .describe('what the model is told before the conversation');
const historyTokens = z
  .int()
  .min(256)
  .max(200_000)
  .describe('how much of the conversation the model is shown, in tokens (estimated)');
const useTools = z.boolean().describe('whether the model may call the tools of this service');

export const Chat = z
  .object({
    id,
    title: z.string(),
    providerKeyId: id.nullable().describe('null before one is chosen, and once it was deleted'),
    model: z.string(),
    systemPrompt: z.string().nullable(),
    historyTokens: z.int(),
    useTools: z.boolean(),
    version: z.int().describe('goes up with each change; the ETag'),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Chat' });
export type Chat = z.output<typeof Chat>;

export const CreateChat = z.strictObject({
  title: title.default('New chat'),
  providerKeyId: id.nullable().default(null).describe('null: to be chosen before the first answer'),
  model,
  systemPrompt: systemPrompt.default(null),
  historyTokens: historyTokens.default(8_000),
  useTools: useTools.default(false),
});
export type CreateChat = z.output<typeof CreateChat>;

export const UpdateChat = z
  .strictObject({ title, providerKeyId: id, model, systemPrompt, historyTokens, useTools })
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'must change something');
export type UpdateChat = z.output<typeof UpdateChat>;

export const ListChats = pageQuery.extend({
  q: plainText(2, 200).optional().describe('words that a title or a message must hold'),
});
export type ListChats = z.output<typeof ListChats>;

/** `streaming`: it is still being made. `stopped`: by the user, or because nobody was listening any more. */
export const MessageStatus = z.enum(['complete', 'streaming', 'stopped', 'failed']);
export type MessageStatus = z.output<typeof MessageStatus>;

export const Message = z
  .object({
    id,
    chatId: id,
    role: z.enum(['user', 'assistant']),
    parts: z.array(z.looseObject({ type: z.string() })).describe("the AI SDK's UIMessage parts"),
    status: MessageStatus,
    errorCode: z.string().nullable().describe('why the answer is not complete'),
    provider: z.string().nullable(),
    model: z.string().nullable(),
    inputTokens: z.int().nullable(),
    outputTokens: z.int().nullable(),
    createdAt: instant,
    finishedAt: instant.nullable(),
  })
  .meta({ id: 'Message' });
export type Message = z.output<typeof Message>;

export const SendMessage = z.strictObject({
  content: plainText(1, 100_000),
  answer: z.boolean().default(true).describe('false: the message is only kept, and no model is asked'),
  stream: z
    .boolean()
    .default(false)
    .describe(
      "whether the answer comes bit by bit, as the AI SDK's UI message stream over server-sent events",
    ),
});
export type SendMessage = z.output<typeof SendMessage>;

export const UpdateMessage = z.strictObject({ content: plainText(1, 100_000) });
export type UpdateMessage = z.output<typeof UpdateMessage>;

export const SentMessage = z.object({
  userMessage: Message,
  message: Message.nullable().describe('the answer; null where none was asked for'),
});
export type SentMessage = z.output<typeof SentMessage>;
