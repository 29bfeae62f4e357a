import { z } from 'zod';
import { plainText, time } from '@/lib/api/schemas';
import { PROVIDERS } from './models';

const MAX_CHARACTERS = 100_000;

const message = z.strictObject({
  role: z.enum(['user', 'assistant']),
  content: plainText(1, MAX_CHARACTERS),
});

export const completionInput = z.strictObject({
  /** Which provider is asked first. Where it does not answer, the other one is. */
  provider: z.enum(PROVIDERS).optional(),
  system: plainText(1, 10_000).optional(),
  messages: z
    .array(message)
    .min(1)
    .max(100)
    .refine((messages) => messages.at(-1)?.role === 'user', 'must end with a message of the user'),
  maxTokens: z.int().min(1).max(8_192).default(1_024),
  stream: z.boolean().default(false),
});

export type CompletionInput = z.output<typeof completionInput>;

const finish = {
  provider: z.enum(PROVIDERS),
  model: z.string(),
  finishReason: z.enum(['stop', 'length', 'refusal']),
  usage: z.strictObject({ inputTokens: z.int(), outputTokens: z.int() }),
};

export const completion = z.strictObject({ text: z.string(), ...finish }).meta({ id: 'Completion' });

export type Completion = Readonly<z.output<typeof completion>>;

/** How an answer that is streamed ends: the event `done`. */
export type CompletionEnd = Omit<Completion, 'text'>;

export const budget = z
  .strictObject({ limit: z.int(), used: z.int(), resetsAt: time })
  .meta({ id: 'AiBudget' });
