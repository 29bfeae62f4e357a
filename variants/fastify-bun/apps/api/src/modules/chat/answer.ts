import type { FastifyError } from '@fastify/error';
import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import {
  convertToModelMessages,
  isStepCount,
  type LanguageModel,
  type LanguageModelUsage,
  experimental_streamTextLowMemory as streamText,
  type TextStreamPart,
  type ToolSet,
  toUIMessageChunk,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import pRetry from 'p-retry';
import type { DomainError } from '../../shared/lib/errors/domain-error.js';
import { ResponseTooLargeError } from '../../shared/lib/http/bounded-fetch.js';
import { tracer } from '../../shared/lib/telemetry/tracing.js';
import { KeptAnswer } from './kept-answer.js';
import { chunks, firstChunkDuration, upstreamErrors } from './metrics.js';
import type { AnswerResult } from './types.js';

/** How often a model may call tools before it has to answer. */
const STEPS = 5;
/** Milliseconds before the first repetition; the second waits twice as long, each up to twice as long by chance. */
const RETRY_MS = 250;
/** Whoever is told to wait longer than this is better told so than kept waiting. */
const RETRY_AFTER_LIMIT_MS = 5_000;
/** Repeated where another attempt may well succeed, and nothing of an answer has been seen. */
const RETRYABLE = new Set(['PROVIDER_RATE_LIMITED', 'PROVIDER_UNAVAILABLE']);
/** Another provider would not do better with the same request. */
const FINAL = new Set(['PROVIDER_REFUSED']);

export type AnswerError = FastifyError | DomainError;

/** A model that may give the answer. */
export interface Candidate {
  readonly provider: string;
  readonly modelName: string;
  readonly model: LanguageModel;
}

export interface AnswerSettings {
  readonly PROVIDER_RETRIES: number;
  readonly PROVIDER_FIRST_CHUNK_TIMEOUT_MS: number;
  readonly PROVIDER_CHUNK_TIMEOUT_MS: number;
  readonly PROVIDER_TOTAL_TIMEOUT_MS: number;
  readonly PROVIDER_MAX_OUTPUT_TOKENS: number;
  readonly PROVIDER_ANSWER_MAX_BYTES: number;
}

export interface AnswerRequest {
  /** In the order in which they are asked. */
  readonly candidates: readonly Candidate[];
  readonly messageId: string;
  readonly instructions: string | null;
  readonly history: UIMessage[];
  readonly tools: ToolSet;
  /** Ends the answer; what there is of it is kept. */
  readonly signal: AbortSignal;
  readonly settings: AnswerSettings;
  /** Puts a provider's failure into the words of this service. */
  readonly explain: (error: unknown, hasBegun: boolean) => AnswerError;
  /** Is told of every failure, also of those that another attempt makes good. */
  readonly onFailure: (error: AnswerError, candidate: Candidate) => void;
}

/**
 * Asks the models in their order until one begins to answer. From then on that one is kept to: a second answer after the
 * beginning of a first would be none.
 *
 * @param emit gets the chunks of the AI SDK's UI message stream
 * @returns what there is to keep, and the error where the answer is not complete
 */
export async function answer(
  request: AnswerRequest,
  emit: (chunk: UIMessageChunk) => void,
): Promise<AnswerResult & { error?: AnswerError }> {
  // For all candidates together, with their repetitions: each of them could be slow.
  const deadline = AbortSignal.timeout(request.settings.PROVIDER_TOTAL_TIMEOUT_MS);
  let failure: AnswerError | undefined;
  for (const candidate of request.candidates) {
    try {
      const attempt = await begin(request, candidate, deadline);
      return await attempt.complete(emit);
    } catch (error) {
      if (request.signal.aborted) break;
      failure = deadline.aborted ? request.explain(SILENCE, false) : (error as AnswerError);
      if (deadline.aborted || FINAL.has(failure.code)) break;
    }
  }
  if (request.signal.aborted) {
    emit({ type: 'start', messageId: request.messageId });
    emit({ type: 'abort' });
    return { ...NOTHING, status: 'stopped' };
  }
  if (failure === undefined) throw new Error('there is no candidate to ask');
  emit({ type: 'start', messageId: request.messageId });
  emit({ type: 'error', errorText: textOf(failure) });
  return { ...NOTHING, status: 'failed', errorCode: failure.code, error: failure };
}

const NOTHING = {
  parts: [],
  text: '',
  errorCode: null,
  provider: null,
  model: null,
  inputTokens: null,
  outputTokens: null,
};

/** Asks a model until it begins to answer, again where that makes sense. */
function begin(request: AnswerRequest, candidate: Candidate, deadline: AbortSignal): Promise<Attempt> {
  return pRetry(
    async () => {
      const attempt = new Attempt(request, candidate, deadline);
      await attempt.begin();
      return attempt;
    },
    {
      retries: request.settings.PROVIDER_RETRIES,
      minTimeout: RETRY_MS,
      randomize: true,
      signal: AbortSignal.any([request.signal, deadline]),
      onFailedAttempt: async ({ error, retriesLeft }) => {
        const failure = error as AnswerError;
        request.onFailure(failure, candidate);
        if (retriesLeft > 0 && shouldRetry(failure)) await Bun.sleep(retryAfterMs(failure));
      },
      shouldRetry: ({ error }) => shouldRetry(error as AnswerError),
    },
  );
}

function shouldRetry(error: AnswerError): boolean {
  return RETRYABLE.has(error.code) && retryAfterMs(error) <= RETRY_AFTER_LIMIT_MS;
}

/** What the provider has said of when to come back, in milliseconds. */
function retryAfterMs(error: AnswerError): number {
  const { retryAfter } = (error as Partial<DomainError>).members ?? {};
  return typeof retryAfter === 'number' ? retryAfter * 1_000 : 0;
}

/** How an error reads in a stream: the code first, so that clients can branch on it. */
export function textOf(error: AnswerError): string {
  return `${error.code}: ${error.message}`;
}

/** What the readers of all kinds of web streams have. */
interface Reader<Part> {
  read(): Promise<{ done: boolean; value?: Part | undefined }>;
  cancel(reason?: unknown): Promise<void>;
}

/** Chunks that say something; those before them are only the frame of an answer. */
const FRAME = new Set<string>(['start', 'start-step', 'text-start', 'reasoning-start', 'message-metadata']);

/**
 * One request to one model. Its parts are turned into chunks one by one (`toUIMessageChunk`), and not by the stream that the
 * AI SDK has for that: each stream between the provider and the client costs as much as all the rest, with thousands of chunks a second.
 */
class Attempt {
  #parts: Reader<TextStreamPart<ToolSet>> | undefined;
  readonly #abort = new AbortController();
  /** What comes before the answer itself: held back until it is sure that there is one. */
  readonly #prelude: UIMessageChunk[] = [];
  readonly #kept: KeptAnswer;
  /** Calls that the model got wrong: what it is told of them is no result. */
  readonly #invalidCalls = new Set<string>();
  #hasBegun = false;
  #failure: unknown;
  #usage: LanguageModelUsage | undefined;
  readonly #span: Span;
  #silence: NodeJS.Timeout | undefined;
  /** Whether there is no more to be read. */
  #isOver = false;
  /** Whether the timer is for the time between two chunks. */
  #isPaced = false;
  readonly #began = performance.now();

  constructor(
    private readonly request: AnswerRequest,
    private readonly candidate: Candidate,
    private readonly deadline: AbortSignal,
  ) {
    this.#kept = new KeptAnswer(request.settings.PROVIDER_ANSWER_MAX_BYTES);
    // What is said, the key and the model's name are texts of the user's.
    this.#span = tracer.startSpan('chat', {
      kind: SpanKind.CLIENT,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': candidate.provider,
      },
    });
  }

  async #ask(): Promise<ReadableStream<TextStreamPart<ToolSet>>> {
    const { history, instructions, tools, signal, settings } = this.request;
    return streamText({
      model: this.candidate.model,
      messages: await convertToModelMessages(history, { tools, ignoreIncompleteToolCalls: true }),
      ...(instructions !== null && { instructions }),
      tools,
      stopWhen: isStepCount(STEPS),
      maxOutputTokens: settings.PROVIDER_MAX_OUTPUT_TOKENS,
      // `begin` repeats, with an eye on what has been seen already.
      maxRetries: 0,
      abortSignal: AbortSignal.any([signal, this.#abort.signal, this.deadline]),
      // It would print the error, with what was asked.
      onError: () => {},
    }).stream;
  }

  /**
   * Resolves when the model has begun to answer.
   *
   * @throws AnswerError
   */
  async begin(): Promise<void> {
    for (;;) {
      const chunk = await this.#read();
      if (chunk === undefined) {
        this.#span.end();
        return;
      }
      if (chunk.type === 'error' || chunk.type === 'abort') {
        clearTimeout(this.#silence);
        await this.#parts?.cancel();
        throw this.#explain(chunk);
      }
      this.#prelude.push(chunk);
      if (!FRAME.has(chunk.type)) break;
    }
    this.#hasBegun = true;
    firstChunkDuration.record((performance.now() - this.#began) / 1_000, {
      provider: this.candidate.provider,
    });
  }

  /** Hands out the whole answer, from its beginning to its end. */
  async complete(emit: (chunk: UIMessageChunk) => void): Promise<AnswerResult & { error?: AnswerError }> {
    for (const chunk of this.#prelude) emit(chunk);
    let error: AnswerError | undefined;
    let isStopped = false;
    for (let chunk = await this.#read(); chunk !== undefined; chunk = await this.#read()) {
      if (chunk.type === 'abort' && this.request.signal.aborted) isStopped = true;
      else if (chunk.type === 'error' || chunk.type === 'abort') {
        if (error !== undefined) continue;
        error = this.#explain(chunk);
        this.request.onFailure(error, this.candidate);
        emit({ type: 'error', errorText: textOf(error) });
        continue;
      }
      emit(chunk);
      chunks.add(1);
    }
    this.#span.end();
    const parts = await this.#kept.parts();
    return {
      parts,
      text: searchable(parts),
      status: error !== undefined ? 'failed' : isStopped ? 'stopped' : 'complete',
      errorCode: error?.code ?? null,
      provider: this.candidate.provider,
      model: this.candidate.modelName,
      inputTokens: this.#usage?.inputTokens ?? null,
      outputTokens: this.#usage?.outputTokens ?? null,
      ...(error !== undefined && { error }),
    };
  }

  /** The next chunk; a provider that says nothing for too long is hung up on, which comes as a chunk as well. */
  async #read(): Promise<UIMessageChunk | undefined> {
    for (;;) {
      const part = await this.#readPart();
      if (part === undefined) return undefined;
      const chunk = this.#chunkOf(part);
      if (chunk === undefined) continue;
      if (this.#isOver || this.#kept.add(chunk)) return chunk;
      return this.#cut();
    }
  }

  async #readPart(): Promise<TextStreamPart<ToolSet> | undefined> {
    if (this.#isOver) return undefined;
    const { PROVIDER_FIRST_CHUNK_TIMEOUT_MS: first, PROVIDER_CHUNK_TIMEOUT_MS: further } =
      this.request.settings;
    // One timer for all chunks: there may be thousands of them a second.
    if (this.#hasBegun !== this.#isPaced) {
      clearTimeout(this.#silence);
      this.#silence = undefined;
      this.#isPaced = this.#hasBegun;
    }
    this.#silence ??= setTimeout(() => this.#abort.abort(SILENCE), this.#hasBegun ? further : first);
    this.#silence.refresh();
    try {
      this.#parts ??= (await this.#ask()).getReader();
      const { value } = await this.#parts.read();
      if (value === undefined) this.#end();
      return value;
    } catch (error) {
      this.#end();
      return { type: 'error', error }; // as the last part, so that what came before is not lost
    }
  }

  /** Ends an answer that is longer than allowed. The part before the limit is kept. */
  #cut(): UIMessageChunk {
    this.#end();
    this.#failure ??= new ResponseTooLargeError('answer longer than PROVIDER_ANSWER_MAX_BYTES cut');
    this.#abort.abort();
    return { type: 'error', errorText: '' };
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#silence);
  }

  #chunkOf(part: TextStreamPart<ToolSet>): UIMessageChunk | undefined {
    const { tools, messageId } = this.request;
    const { provider, modelName: model } = this.candidate;
    let messageMetadata: object | undefined;
    if (part.type === 'error') this.#failure ??= part.error;
    if (part.type === 'tool-call' && part.invalid === true) this.#invalidCalls.add(part.toolCallId);
    if (part.type === 'tool-error' && this.#invalidCalls.delete(part.toolCallId)) return undefined;
    if (part.type === 'finish') {
      this.#usage = part.totalUsage;
      const { inputTokens, outputTokens } = part.totalUsage;
      messageMetadata = { provider, model, inputTokens, outputTokens };
    }
    return toUIMessageChunk(part, {
      tools,
      responseMessageId: messageId,
      // Also what the user is told of a tool that fails; other errors are put into words by `#explain`.
      onError: () => 'TOOL_FAILED: The tool has failed.',
      ...(messageMetadata !== undefined && { messageMetadata }),
    });
  }

  #explain(chunk: UIMessageChunk): AnswerError {
    // An abort that no user has asked for is a time-out.
    const error = this.request.explain(chunk.type === 'abort' ? SILENCE : this.#failure, this.#hasBegun);
    if (!this.request.signal.aborted) {
      upstreamErrors.add(1, { provider: this.candidate.provider, code: error.code });
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: error.code });
    }
    this.#span.end();
    return error;
  }
}

const SILENCE = new DOMException('The provider fell silent.', 'TimeoutError');

/** Characters of an answer that the search looks through: PostgreSQL refuses a `tsvector` of more than 1 MB. */
const SEARCHED_CHARACTERS = 200_000;

function searchable(parts: UIMessage['parts']): string {
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  return text.slice(0, SEARCHED_CHARACTERS).toWellFormed();
}
