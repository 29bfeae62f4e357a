import OpenAI from 'openai';
import { config } from '@/lib/config/config';
import { processWide } from '@/lib/process-wide';
import { boundedFetch } from './bounded-fetch';
import type { FinishReason, Model, ModelEvent, ModelRequest, TokenUsage } from './model';

/** @returns undefined where there is no key for it */
export function openaiModel(): Model | undefined {
  const { OPENAI_API_KEY, OPENAI_MODEL } = config();
  if (OPENAI_API_KEY === undefined) return undefined;
  return { service: 'OpenAI', name: OPENAI_MODEL, stream };
}

const client = () =>
  processWide(
    'openai',
    () =>
      new OpenAI({
        apiKey: config().OPENAI_API_KEY,
        baseURL: config().OPENAI_BASE_URL,
        maxRetries: 0, // lib/integrations/calls.ts does that
        fetch: boundedFetch('OpenAI'),
      }),
  );

async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
  const chunks = await client().chat.completions.create(
    {
      model: config().OPENAI_MODEL,
      messages: [
        ...(request.system === undefined ? [] : [{ role: 'system' as const, content: request.system }]),
        ...request.messages,
      ],
      max_completion_tokens: request.maxTokens,
      stream: true,
      stream_options: { include_usage: true },
    },
    { signal },
  );
  let finishReason: FinishReason | undefined;
  let usage: TokenUsage | undefined;
  for await (const chunk of chunks) {
    const [choice] = chunk.choices;
    if (choice?.delta.content) yield { type: 'text', text: choice.delta.content };
    if (choice?.finish_reason) finishReason = REASONS[choice.finish_reason] ?? 'stop';
    if (chunk.usage) {
      usage = { inputTokens: chunk.usage.prompt_tokens, outputTokens: chunk.usage.completion_tokens };
    }
  }
  if (finishReason === undefined) throw new Error('the answer broke off');
  yield { type: 'end', finishReason, usage };
}

const REASONS: Readonly<Record<string, FinishReason>> = { length: 'length', content_filter: 'refusal' };
