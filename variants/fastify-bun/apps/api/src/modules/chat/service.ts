import type { Chat, CreateChat, ListChats, SendMessage, UpdateChat } from '@app/shared';
import type { ToolSet } from 'ai';
import pRetry from 'p-retry';
import { violatedConstraint } from '../../shared/lib/errors/sql-state.js';
import type { KeyedRequest, Outcome } from '../../shared/lib/idempotency/types.js';
import type { Log } from '../../shared/lib/logging/log.js';
import { decodeCursor, encodeCursor } from '../../shared/lib/pagination/cursor.js';
import { type Page, toPage } from '../../shared/lib/pagination/page.js';
import { ANSWER_MARGIN_MS, type ProviderAccess } from '../providers/types.js';
import { type AnswerSettings, answer, type Candidate } from './answer.js';
import {
  AnswerInProgressError,
  AnswerInterruptedError,
  ChatChangedError,
  ChatNotFoundError,
  MessageNotFoundError,
  NoProviderKeyError,
  TooManyAnswersError,
} from './errors.js';
import type { Generations, Started } from './generations.js';
import { fitHistory } from './history.js';
import { answers } from './metrics.js';
import type { ChatRepository, SentIds } from './repository.js';
import type { StreamStore } from './stream-store.js';
import type { AnswerResult, ChatAccess, ChatRow, MessageRow } from './types.js';

/** Bytes of a message's parts per token of history that are read at most; a token has 4 characters on average. */
const BYTES_PER_TOKEN = 16;
/** More messages than this are never read for one answer, however many tokens a chat allows. */
const HISTORY_MESSAGES = 500;

export type ChatSettings = AnswerSettings & { readonly ANSWERS_PER_USER_MAX: number };

interface Dependencies {
  readonly repository: ChatRepository;
  readonly providers: ProviderAccess;
  readonly generations: Generations;
  readonly store: StreamStore;
  readonly tools: ToolSet;
  readonly settings: ChatSettings;
  readonly log: Log;
}

/** A message that was sent, with all that comes of it: nothing is being made any more. */
export interface Settled {
  readonly userMessage: MessageRow;
  readonly message: MessageRow | null;
  readonly isRepeated: boolean;
}

/** A message that was sent, and the answer that is being made; `done` rejects with the provider's error where there is none. */
export interface Answering extends Started<MessageRow> {
  readonly userMessage: MessageRow;
}

export type ChatService = ReturnType<typeof createChatService>;

/** Conversations with the models for which the user has brought keys. */
export function createChatService({
  repository,
  providers,
  generations,
  store,
  tools,
  settings,
  log,
}: Dependencies) {
  async function find(userId: string, id: string): Promise<ChatRow> {
    return (await repository.findById(userId, id)) ?? noChat();
  }

  async function findMessage(userId: string, chatId: string, id: string): Promise<MessageRow> {
    return (await repository.findMessage(userId, chatId, id)) ?? noMessage();
  }

  /** The chat's own model first, then those that the user has named for when it fails. */
  async function candidatesFor({ userId, providerKeyId, model }: ChatRow): Promise<Candidate[]> {
    if (providerKeyId === null) throw new NoProviderKeyError();
    const chosen = await providers.openModel(userId, providerKeyId, model);
    return [chosen, ...(await providers.openFallbacks(userId, providerKeyId))];
  }

  /** Ends the answers of a user whose process has died. @returns the chats in which an answer is still being made */
  async function failOrphanedAnswers(userId: string): Promise<Set<string>> {
    const { code } = new AnswerInterruptedError();
    const running = new Set<string>();
    for (const message of await repository.findUnfinished(userId)) {
      // Without Valkey no process can tell: then none is considered dead.
      const isAlive = await store.isAlive(message.id).catch(() => true);
      if (isAlive) running.add(message.chatId);
      else await repository.finish(message, { ...message, status: 'failed', errorCode: code });
    }
    return running;
  }

  async function addExchange(
    userMessage: MessageRow,
    message: MessageRow | undefined,
    request?: KeyedRequest,
  ): Promise<Outcome<SentIds>> {
    const { userId } = userMessage;
    const tests = message === undefined ? 0 : await providers.countTests(userId);
    const since = new Date(Date.now() - settings.PROVIDER_TOTAL_TIMEOUT_MS - ANSWER_MARGIN_MS);
    const limit = { max: settings.ANSWERS_PER_USER_MAX - tests, since };
    const added = await afterOrphans(userMessage, () =>
      repository.addExchange(userMessage, message, limit, request),
    );
    if (message === undefined || added.isRepeated) return added;
    // A test of a key that began meanwhile has not counted this answer.
    const testsNow = await providers.countTests(userId);
    if (testsNow <= tests) return added;
    const running = (await repository.findUnfinished(userId)).filter(({ createdAt }) => createdAt > since);
    if (running.length + testsNow <= settings.ANSWERS_PER_USER_MAX) return added;
    await repository.removeExchange(userMessage, added.result, request);
    throw new TooManyAnswersError();
  }

  /** Adds, again if what was in the way were answers whose process has died. */
  async function afterOrphans<Result>(
    { userId, chatId }: MessageRow,
    add: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await add();
    } catch (error) {
      const constraint = violatedConstraint(error);
      if (constraint === 'messages_chat_fk') return noChat();
      if (!(error instanceof TooManyAnswersError) && constraint !== 'messages_one_streaming_idx') throw error;
      const running = await failOrphanedAnswers(userId);
      if (running.has(chatId)) throw new AnswerInProgressError();
      return await add();
    }
  }

  /** What was sent, and what came of it so far. */
  async function settled(
    userId: string,
    chatId: string,
    { result, isRepeated }: Outcome<SentIds>,
  ): Promise<Settled> {
    const { userMessageId, messageId } = result;
    const userMessage = await findMessage(userId, chatId, userMessageId);
    const message = messageId === null ? null : await findMessage(userId, chatId, messageId);
    if (message?.status === 'streaming') throw new AnswerInProgressError();
    return { userMessage, message, isRepeated };
  }

  /** What the first request with the same `Idempotency-Key` has led to, if that was anything that lasts. */
  async function findSettled(
    userId: string,
    chatId: string,
    request: KeyedRequest,
  ): Promise<Settled | undefined> {
    const result = await repository.findExchange(request);
    if (result === undefined) return undefined;
    const found = await settled(userId, chatId, { result, isRepeated: true });
    if (found.message?.status !== 'failed') return found;
    await repository.releaseKey(request);
    return undefined;
  }

  return {
    /** @throws ProviderKeyNotFoundError */
    async create(userId: string, given: CreateChat, request?: KeyedRequest): Promise<Outcome<Chat>> {
      if (given.providerKeyId !== null) await providers.assertKey(userId, given.providerKeyId);
      return repository.create({ ...given, userId, id: Bun.randomUUIDv7() }, request);
    },

    async list(userId: string, { limit, cursor, q }: ListChats): Promise<Page<ChatRow>> {
      const after = cursor === undefined ? undefined : decodeCursor(cursor);
      return toPage(await repository.findAll(userId, limit, after, q), limit, placeOf, (row) => row);
    },

    /** @throws ChatNotFoundError */
    get: find,

    /** @throws ChatNotFoundError, ChatChangedError, ProviderKeyNotFoundError */
    async update(userId: string, id: string, version: number, changes: UpdateChat): Promise<ChatRow> {
      if (changes.providerKeyId !== undefined) await providers.assertKey(userId, changes.providerKeyId);
      const changed = await repository.update(userId, id, version, changes);
      if (changed !== undefined) return changed;
      await find(userId, id);
      throw new ChatChangedError();
    },

    /** @throws ChatNotFoundError */
    async remove(userId: string, id: string): Promise<void> {
      const streaming = await repository.findStreaming(userId, id);
      if (streaming !== undefined) await generations.stop(streaming.id);
      if (!(await repository.remove(userId, id))) noChat();
    },

    /** @throws ChatNotFoundError */
    async listMessages(
      userId: string,
      chatId: string,
      page: { limit: number; cursor?: string | undefined },
    ): Promise<Page<MessageRow>> {
      await find(userId, chatId);
      const after = page.cursor === undefined ? undefined : decodeCursor(page.cursor);
      const { rows, hasMore } = await repository.findMessages(userId, chatId, page.limit, after);
      const last = rows.at(-1);
      const nextCursor = hasMore && last !== undefined ? encodeCursor(placeOf(last)) : null;
      return { data: rows, page: { nextCursor } };
    },

    /** @throws MessageNotFoundError */
    getMessage: findMessage,

    /**
     * Changes what the user has said; answers that were given to it stay.
     *
     * @throws MessageNotFoundError
     */
    async updateMessage(userId: string, chatId: string, id: string, content: string): Promise<MessageRow> {
      return (await repository.updateText(userId, chatId, id, content)) ?? noMessage();
    },

    /** @throws MessageNotFoundError, AnswerInProgressError */
    async removeMessage(userId: string, chatId: string, id: string): Promise<void> {
      if (await repository.removeMessage(userId, chatId, id)) return;
      await findMessage(userId, chatId, id);
      throw new AnswerInProgressError();
    },

    /**
     * Adds a message to a chat and, where it is to be answered, begins to do so.
     *
     * @throws ChatNotFoundError, NoProviderKeyError, ProviderKeyUnreadableError, AnswerInProgressError
     */
    async send(
      userId: string,
      chatId: string,
      given: SendMessage,
      request?: KeyedRequest,
    ): Promise<Settled | Answering> {
      const chat = await find(userId, chatId);
      const before = request && (await findSettled(userId, chatId, request));
      if (before !== undefined) return before;
      const candidates = given.answer ? await candidatesFor(chat) : [];
      const userMessage = newMessage(chat, 'user', given.content);
      const message = newMessage(chat, 'assistant', '');
      // Before other processes can see the answer: they end those that no process makes.
      if (given.answer) await store.claim(message.id);
      const added = await addExchange(userMessage, given.answer ? message : undefined, request);
      if (added.isRepeated) return settled(userId, chatId, added);
      if (!given.answer) return { userMessage, message: null, isRepeated: false };
      const started = generations.start(message.id, async (emit, signal) => {
        const bytes = chat.historyTokens * BYTES_PER_TOKEN;
        const rows = await repository.findHistory(userId, chatId, HISTORY_MESSAGES, bytes);
        const { error, ...result } = await answer(
          {
            candidates,
            messageId: message.id,
            instructions: chat.systemPrompt,
            history: fitHistory(rows, chat.historyTokens),
            tools: chat.useTools ? tools : {},
            signal,
            settings,
            explain: providers.explain,
            // Without the model: its name is a text of the user's.
            onFailure: ({ code }, { provider }) =>
              log.warn({ code, provider, messageId: message.id }, 'a provider has failed'),
          },
          emit,
        );
        const kept = await keep(message, result);
        if (error !== undefined) throw error;
        return kept;
      });
      return { userMessage, ...started };
    },

    /**
     * The events of an answer behind a place, in batches, as server-sent events; undefined where they are not kept any more.
     *
     * @throws MessageNotFoundError
     */
    async readStream(userId: string, chatId: string, id: string, after: number, signal: AbortSignal) {
      await findMessage(userId, chatId, id);
      return generations.read(id, after, signal);
    },

    /**
     * Stops an answer; what there is of it is kept.
     *
     * @throws MessageNotFoundError
     */
    async stop(userId: string, chatId: string, id: string): Promise<void> {
      const { status } = await findMessage(userId, chatId, id);
      if (status === 'streaming') await generations.stop(id);
    },

    access: {
      findRunning: async (userId) => (await repository.findUnfinished(userId)).map(({ id }) => id),

      async stopAll(ids) {
        for (const id of ids) await generations.stop(id);
      },
    } satisfies ChatAccess,
  };

  /** An answer was paid for: the database may be away for a moment. */
  async function keep(message: MessageRow, result: AnswerResult): Promise<MessageRow> {
    answers.add(1, { status: result.status });
    const kept = await pRetry(() => repository.finish(message, result), { retries: 3, minTimeout: 200 });
    return kept ?? { ...message, ...result, finishedAt: new Date() };
  }
}

/** A message of the user, which is complete, or an answer, which is about to be made. */
function newMessage({ userId, id: chatId }: ChatRow, role: MessageRow['role'], text: string): MessageRow {
  const now = Date.now();
  const isAnswer = role === 'assistant';
  return {
    userId,
    chatId,
    id: Bun.randomUUIDv7(),
    role,
    parts: isAnswer ? [] : [{ type: 'text', text }],
    text,
    status: isAnswer ? 'streaming' : 'complete',
    errorCode: null,
    provider: null,
    model: null,
    inputTokens: null,
    outputTokens: null,
    // After the question in every order.
    createdAt: new Date(isAnswer ? now + 1 : now),
    finishedAt: isAnswer ? null : new Date(now),
  };
}

const placeOf = ({ createdAt, id }: { createdAt: Date; id: string }) => ({ time: createdAt, id });

function noChat(): never {
  throw new ChatNotFoundError();
}

function noMessage(): never {
  throw new MessageNotFoundError();
}
