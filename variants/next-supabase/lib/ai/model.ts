/** A turn of a conversation. */
export interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface ModelRequest {
  readonly system?: string;
  readonly messages: readonly Message[];
  /** The most that the model may answer. */
  readonly maxTokens: number;
}

export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** A part of an answer, or its end. */
export type ModelEvent =
  | { readonly type: 'text'; readonly text: string }
  /** `usage` as the provider counts it, where it says. */
  | { readonly type: 'end'; readonly finishReason: FinishReason; readonly usage: TokenUsage | undefined };

/** `length`: it was cut off at `maxTokens`; `refusal`: the model would not answer. */
export type FinishReason = 'stop' | 'length' | 'refusal';

/** One provider's model, through the provider's own client. */
export interface Model {
  readonly service: 'OpenAI' | 'Anthropic';
  readonly name: string;
  /** @throws what the client throws */
  stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void>;
}
