import Anthropic from '@anthropic-ai/sdk';
import { config } from '@/lib/config/config';
import { processWide } from '@/lib/process-wide';
import { boundedFetch } from './bounded-fetch';
import type { FinishReason, Model, ModelEvent, ModelRequest } from './model';

/** @returns undefined where there is no key for it */
export function anthropicModel(): Model | undefined {
  const { ANTHROPIC_API_KEY, ANTHROPIC_MODEL } = config();
  if (ANTHROPIC_API_KEY === undefined) return undefined;
  return { service: 'Anthropic', name: ANTHROPIC_MODEL, stream };
}

const client = () =>
  processWide(
    'anthropic',
    () =>
      new Anthropic({
        apiKey: config().ANTHROPIC_API_KEY,
        baseURL: config().ANTHROPIC_BASE_URL,
        maxRetries: 0, // lib/integrations/calls.ts does that
        fetch: boundedFetch('Anthropic'),
      }),
  );

async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
  const events = await client().messages.create(
    {
      model: config().ANTHROPIC_MODEL,
      max_tokens: request.maxTokens,
      ...(request.system !== undefined && { system: request.system }),
      messages: [...request.messages],
      stream: true,
    },
    { signal },
  );
  let inputTokens: number | undefined;
  let outputTokens: number | undefined;
  let finishReason: FinishReason | undefined;
  for await (const event of events) {
    if (event.type === 'message_start') {
      inputTokens = event.message.usage.input_tokens;
    } else if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
      yield { type: 'text', text: event.delta.text };
    } else if (event.type === 'message_delta') {
      outputTokens = event.usage.output_tokens;
      if (event.delta.stop_reason) finishReason = REASONS[event.delta.stop_reason] ?? 'stop';
    }
  }
  if (finishReason === undefined) throw new Error('the answer broke off');
  const usage =
    inputTokens === undefined || outputTokens === undefined ? undefined : { inputTokens, outputTokens };
  yield { type: 'end', finishReason, usage };
}

const REASONS: Readonly<Record<string, FinishReason>> = {
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'refusal',
};
