import { z } from 'zod';
import { id, instant, plainText } from './common.js';
import { ProviderName } from './provider-names.js';

/** A key as its provider issued it: printable ASCII, so that it fits into a header field. */
const apiKey = z
  .string()
  .regex(/^[!-~]{1,500}$/, 'must be 1 to 500 printable ASCII characters without spaces');

const baseUrl = z.url({ protocol: /^https?$/ }).max(500);

const defaultModel = plainText(1, 200).nullable();

/** What is told of a stored key: never the key itself. */
export const ProviderKey = z
  .object({
    id,
    provider: ProviderName,
    label: z.string(),
    baseUrl: z.string().nullable(),
    lastFour: z.string().describe('the last four characters of the key; empty where the key is short'),
    defaultModel: z
      .string()
      .nullable()
      .describe('the model that steps in for that of a chat; null: this provider never does'),
    position: z.int().describe('where a provider fails, the key with the next higher position may step in'),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'ProviderKey' });
export type ProviderKey = z.output<typeof ProviderKey>;

export const CreateProviderKey = z
  .strictObject({
    provider: ProviderName,
    label: plainText(1, 100),
    apiKey,
    baseUrl: baseUrl
      .optional()
      .describe('where an OpenAI-compatible server answers, e.g. https://models.example.com/v1'),
    defaultModel: defaultModel.default(null),
    position: z.int().min(0).max(1_000).default(0),
  })
  .refine(({ provider, baseUrl }) => (String(provider) === 'openai-compatible') === (baseUrl !== undefined), {
    path: ['baseUrl'],
    error: 'is needed for an OpenAI-compatible server, and only there',
  });
export type CreateProviderKey = z.output<typeof CreateProviderKey>;

export const UpdateProviderKey = z
  .strictObject({ label: plainText(1, 100), defaultModel, position: z.int().min(0).max(1_000) })
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'must change something');
export type UpdateProviderKey = z.output<typeof UpdateProviderKey>;

export const RotateProviderKey = z.strictObject({ apiKey });

export const TestProviderKey = z.strictObject({ model: plainText(1, 200) });
export const ProviderTest = z.object({ latencyMs: z.int().describe('until the whole answer was there') });
