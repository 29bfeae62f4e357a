import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { callIntegration } from '@/lib/integrations/calls';
import { toUpstreamError, UpstreamError } from '@/lib/integrations/upstream-error';
import { log } from '@/lib/log';
import { estimateTokens, release, reserve, settle } from './budget';
import type { Model, ModelEvent, ModelRequest } from './model';
import { modelsFrom, type ProviderName } from './models';
import type { Completion, CompletionEnd, CompletionInput } from './schemas';

type Asked = Model & { readonly provider: ProviderName };

/** An answer that has begun: the model that gives it, its first part, and the rest. */
interface Begun {
  readonly model: Asked;
  readonly first: ModelEvent;
  readonly rest: AsyncGenerator<ModelEvent, void>;
}

/** The parts of an answer, and then how it ended. */
export type CompletionStream = AsyncGenerator<string, CompletionEnd>;

/**
 * Asks a model, and the other one where it does not answer.
 *
 * @throws DomainError AI_NOT_CONFIGURED, AI_BUDGET_EXCEEDED
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
    if (done) return { text, ...value };
    text += value;
  }
}

/**
 * The same as it comes. When this returns, a model has begun to answer; from then on no other one is asked, since the
 * client has seen a part of the answer.
 *
 * @returns must be read to its end or given up by `return()`: only then the budget is charged
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
  try {
    const begun = await firstToAnswer(models, { system, messages, maxTokens }, signal);
    const stream = charged(userId, reservation, inputTokens, begun);
    return stream;
  } catch (error) {
    await release(userId, reservation);
    throw error;
  }
}

async function firstToAnswer(models: Asked[], request: ModelRequest, signal: AbortSignal): Promise<Begun> {
  let failure: unknown;
  for (const model of models) {
    try {
      return await begin(model, request, signal);
    } catch (error) {
      // What one finds wrong with the conversation the other one would as well.
      if (!(error instanceof UpstreamError) || isFaultOfRequest(error)) throw error;
      log().warn({ err: error, ...error.context }, 'a model does not answer');
      failure = error;
    }
  }
  throw failure;
}

const isFaultOfRequest = ({ status }: UpstreamError) => status === 400 || status === 413 || status === 422;

function begin(model: Asked, request: ModelRequest, signal: AbortSignal): Promise<Begun> {
  return callIntegration({ service: model.service, operation: 'chat', signal }, async () => {
    const rest = inTime(model, request, signal);
    const first = await rest.next();
    if (first.done) throw new Error('the answer is empty');
    return { model, first: first.value, rest };
  });
}

/** The answer of a model, which is given up where nothing comes for AI_TIMEOUT_MS. */
async function* inTime(
  model: Asked,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent, void> {
  const late = new AbortController();
  const limit = config().AI_TIMEOUT_MS;
  const timer = setTimeout(() => late.abort(), limit);
  try {
    for await (const event of model.stream(request, AbortSignal.any([signal, late.signal]))) {
      timer.refresh();
      yield event;
    }
  } catch (error) {
    throw late.signal.aborted ? new UpstreamError(model.service, 'TIMEOUT') : error;
  } finally {
    clearTimeout(timer);
  }
}

/** Charges the budget at the end, whichever that is: a client that leaves has been answered as far as that. */
async function* charged(
  userId: string,
  reservation: string,
  inputTokens: number,
  { model, first, rest }: Begun,
): CompletionStream {
  const { provider, name } = model;
  let usage = { inputTokens, outputTokens: 0 };
  let end: CompletionEnd | undefined;
  try {
    for (let event: ModelEvent | undefined = first; event; event = (await rest.next()).value ?? undefined) {
      if (event.type === 'text') {
        usage = { inputTokens, outputTokens: usage.outputTokens + estimateTokens([{ content: event.text }]) };
        yield event.text;
      } else {
        usage = event.usage;
        end = { provider, model: name, finishReason: event.finishReason, usage };
      }
    }
  } catch (error) {
    throw toUpstreamError(model.service, error);
  } finally {
    await rest.return();
    await settle(userId, reservation, usage, { provider, model: name }).catch((error: unknown) =>
      log().error({ err: error, userId, ...usage }, 'the use of a model could not be recorded'),
    );
  }
  if (end === undefined) throw new UpstreamError(model.service, 'UNAVAILABLE');
  return end;
}
