import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { callIntegration } from '@/lib/integrations/calls';
import { toUpstreamError, UpstreamError } from '@/lib/integrations/upstream-error';
import { log } from '@/lib/log';
import { estimateTokens, release, reserve, settle } from './budget';
import type { Model, ModelEvent, ModelRequest, TokenUsage } from './model';
import { modelsFrom, type ProviderName } from './models';
import type { Completion, CompletionEnd, CompletionInput } from './schemas';

type Asked = Model & { readonly provider: ProviderName };

/** An answer that has begun: the model that gives it, its first part, and the rest. */
interface Begun {
  readonly model: Asked;
  readonly first: ModelEvent;
  readonly rest: AsyncGenerator<ModelEvent, void>;
}

/** The parts of an answer, and then how it ended: undefined where it was given up by `return()`. */
export type CompletionStream = AsyncGenerator<string, CompletionEnd | undefined>;

/**
 * Asks a model, and the other one where it does not answer.
 *
 * @throws DomainError AI_NOT_CONFIGURED, AI_BUDGET_EXCEEDED, AI_TOO_MANY_ANSWERS
 * @throws UpstreamError what the last one failed of
 */
export async function complete(
  userId: string,
  input: CompletionInput,
  signal: AbortSignal,
): Promise<Completion> {
  const parts = await beginCompletion(userId, input, signal);
  let text = '';
  for (;;) {
    const { done, value } = await parts.next();
    if (!done) text += value;
    else if (value !== undefined) return { text, ...value };
    else throw new Error('the answer was given up');
  }
}

/**
 * The same as it comes. When this returns, a model has begun to answer; from then on no other one is asked, since the
 * client has seen a part of the answer.
 *
 * @returns must be read to its end or given up by `return()`: then the budget is charged. It gives itself up after
 * AI_ANSWER_TIMEOUT_MS, since a client may stop reading without leaving
 */
export async function beginCompletion(
  userId: string,
  input: CompletionInput,
  signal: AbortSignal,
): Promise<CompletionStream> {
  const models = modelsFrom(input.provider);
  if (models.length === 0) throw new DomainError('No key for a model is configured.', 'AI_NOT_CONFIGURED');
  const { system, messages, maxTokens } = input;
  const inputTokens = estimateTokens([{ content: system ?? '' }, ...messages]);
  const reservation = await reserve(userId, inputTokens + maxTokens);
  const sent: Sent = { attempts: 0 };
  let begun: Begun;
  try {
    begun = await firstToAnswer(models, { system, messages, maxTokens }, signal, sent);
  } catch (error) {
    const { model, attempts } = sent;
    if (model === undefined) await release(userId, reservation);
    else await charge(userId, reservation, { inputTokens: attempts * inputTokens, outputTokens: 0 }, model);
    throw error;
  }
  const late = (sent.attempts - 1) * inputTokens;
  const unread = setTimeout(
    () => void parts.return(undefined).catch(() => {}),
    config().AI_ANSWER_TIMEOUT_MS,
  );
  const parts = charged(userId, reservation, inputTokens, late, begun, () => clearTimeout(unread));
  // Enters the `try`: a generator that has never started skips its `finally` when it is given up.
  await parts.next();
  return parts;
}

/**
 * The model that works on the conversation, though it has not said a word, and how often one was sent it: the provider charges
 * for each, also where the client leaves or waiting ends first.
 */
interface Sent {
  model?: Asked;
  attempts: number;
}

async function firstToAnswer(
  models: Asked[],
  request: ModelRequest,
  signal: AbortSignal,
  sent: Sent,
): Promise<Begun> {
  let failure: unknown;
  for (const model of models) {
    try {
      return await begin(model, request, signal, sent);
    } catch (error) {
      // What one finds wrong with the conversation the other one would as well.
      if (!(error instanceof UpstreamError) || isFaultOfRequest(error)) throw error;
      log().warn({ err: error, ...error.context }, 'a model does not answer');
      failure = error;
    }
  }
  throw failure;
}

const isTimeout = (error: unknown) => error instanceof UpstreamError && error.reason === 'TIMEOUT';

const isFaultOfRequest = ({ status }: UpstreamError) => status === 400 || status === 413 || status === 422;

function begin(model: Asked, request: ModelRequest, signal: AbortSignal, sent: Sent): Promise<Begun> {
  return callIntegration({ service: model.service, operation: 'chat', signal }, async () => {
    signal.throwIfAborted();
    const before = sent.model;
    sent.model = model;
    sent.attempts += 1;
    try {
      const rest = inTime(model, request, signal);
      const first = await rest.next();
      if (first.done) throw new Error('the answer is empty');
      return { model, first: first.value, rest };
    } catch (error) {
      if (!signal.aborted && !isTimeout(error)) {
        sent.model = before;
        sent.attempts -= 1;
      }
      throw error;
    }
  });
}

/** The answer of a model, which is given up where nothing comes for AI_TIMEOUT_MS, or no end in AI_ANSWER_TIMEOUT_MS. */
async function* inTime(
  model: Asked,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent, void> {
  const late = new AbortController();
  const { AI_TIMEOUT_MS, AI_ANSWER_TIMEOUT_MS } = config();
  const timer = setTimeout(() => late.abort(), AI_TIMEOUT_MS);
  const end = setTimeout(() => late.abort(), AI_ANSWER_TIMEOUT_MS);
  try {
    for await (const event of model.stream(request, AbortSignal.any([signal, late.signal]))) {
      timer.refresh();
      yield event;
    }
  } catch (error) {
    throw late.signal.aborted ? new UpstreamError(model.service, 'TIMEOUT') : error;
  } finally {
    clearTimeout(timer);
    clearTimeout(end);
  }
}

/**
 * Charges the budget at the end, whichever that is: a client that leaves has been answered as far as that. The first part
 * is empty, and comes before anything can fail.
 *
 * @param late tokens that models were sent before, which did not begin in time
 */
async function* charged(
  userId: string,
  reservation: string,
  inputTokens: number,
  late: number,
  { model, first, rest }: Begun,
  settled: () => void,
): CompletionStream {
  const { provider, name } = model;
  let usage: TokenUsage = { inputTokens, outputTokens: 0 };
  let end: CompletionEnd | undefined;
  try {
    yield '';
    for (let event: ModelEvent | undefined = first; event; event = (await rest.next()).value ?? undefined) {
      if (event.type === 'text') {
        usage = { inputTokens, outputTokens: usage.outputTokens + estimateTokens([{ content: event.text }]) };
        yield event.text;
      } else {
        usage = event.usage ?? usage;
        end = { provider, model: name, finishReason: event.finishReason, usage };
      }
    }
  } catch (error) {
    throw toUpstreamError(model.service, error);
  } finally {
    settled();
    await rest.return().catch(() => {}); // what it fails with changes nothing of what was given
    await charge(userId, reservation, { ...usage, inputTokens: usage.inputTokens + late }, model);
  }
  if (end === undefined) throw new UpstreamError(model.service, 'UNAVAILABLE');
  return end;
}

/** Never fails: the answer has been given. */
async function charge(
  userId: string,
  reservation: string,
  usage: TokenUsage,
  { provider, name }: Asked,
): Promise<void> {
  await settle(userId, reservation, usage, { provider, model: name }).catch((error: unknown) =>
    log().error({ err: error, userId, ...usage }, 'the use of a model could not be recorded'),
  );
}
