import type { CreateChat, ListChats, UpdateChat } from '@app/shared';
import type { ToolSet } from 'ai';
import pRetry from 'p-retry';
import { violatedConstraint } from '../../shared/lib/errors/sql-state.js';
import type { Log } from '../../shared/lib/logging/log.js';
import { decodeCursor } from '../../shared/lib/pagination/cursor.js';
import { type Page, toPage } from '../../shared/lib/pagination/page.js';
import type { ProviderAccess } from '../providers/types.js';
import { type AnswerSettings, answer, type Candidate } from './answer.js';
import {
  AnswerInProgressError,
  AnswerInterruptedError,
  ChatNotFoundError,
  MessageNotFoundError,
  NoProviderKeyError,
} from './errors.js';
import type { Generations, Started } from './generations.js';
import { fitHistory } from './history.js';
import type { ChatRepository } from './repository.js';
import type { StreamStore } from './stream-store.js';
import type { AnswerResult, ChatRow, MessageRow } from './types.js';

/** More messages than this are never read for one answer, however many tokens a chat allows. */
const HISTORY_MESSAGES = 500;

interface Dependencies {
  readonly repository: ChatRepository;
  readonly providers: ProviderAccess;
  readonly generations: Generations;
  readonly store: StreamStore;
  readonly tools: ToolSet;
  readonly settings: AnswerSettings;
  readonly log: Log;
}

/** A message that was sent, and the answer that is being made; `done` rejects with the provider's error where there is none. */
export interface Sent extends Started<MessageRow> {
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

  /** Where the process that made an answer has died, the chat goes on without it. */
  async function giveUpDeadAnswer(userId: string, chatId: string): Promise<void> {
    const streaming = await repository.findStreaming(userId, chatId);
    if (streaming === undefined) return;
    if (await store.isAlive(streaming.id)) throw new AnswerInProgressError();
    const { code } = new AnswerInterruptedError();
    await repository.finish(streaming, { ...streaming, status: 'failed', errorCode: code });
  }

  async function addExchange(chat: ChatRow, content: string): Promise<[MessageRow, MessageRow]> {
    const { userId, id: chatId } = chat;
    const created = new Date();
    const parts = [{ type: 'text', text: content }];
    const question = { userId, chatId, id: Bun.randomUUIDv7(), role: 'user', parts, text: content } as const;
    const reply = { userId, chatId, id: Bun.randomUUIDv7(), role: 'assistant', parts: [], text: '' } as const;
    const add = () =>
      repository.addExchange(
        { ...question, parts, status: 'complete', createdAt: created, finishedAt: created },
        // After the question in every order.
        { ...reply, parts: [], status: 'streaming', createdAt: new Date(created.getTime() + 1) },
      );
    try {
      return await add();
    } catch (error) {
      switch (violatedConstraint(error)) {
        case 'messages_one_streaming_idx':
          await giveUpDeadAnswer(userId, chatId);
          return await add();
        case 'messages_chat_fk':
          return noChat();
      }
      throw error;
    }
  }

  return {
    /** @throws ProviderKeyNotFoundError */
    async create(userId: string, given: CreateChat): Promise<ChatRow> {
      await providers.assertKey(userId, given.providerKeyId);
      return repository.create({ ...given, userId, id: Bun.randomUUIDv7() });
    },

    async list(userId: string, { limit, cursor, q }: ListChats): Promise<Page<ChatRow>> {
      const after = cursor === undefined ? undefined : decodeCursor(cursor);
      return toPage(await repository.findAll(userId, limit, after, q), limit, placeOf, (row) => row);
    },

    /** @throws ChatNotFoundError */
    get: find,

    /** @throws ChatNotFoundError, ProviderKeyNotFoundError */
    async update(userId: string, id: string, changes: UpdateChat): Promise<ChatRow> {
      if (changes.providerKeyId !== undefined) await providers.assertKey(userId, changes.providerKeyId);
      return (await repository.update(userId, id, changes)) ?? noChat();
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
      const rows = await repository.findMessages(userId, chatId, page.limit, after);
      return toPage(rows, page.limit, placeOf, (row) => row);
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
     * Adds a message to a chat and begins to answer it.
     *
     * @throws ChatNotFoundError, NoProviderKeyError, ProviderKeyUnreadableError, AnswerInProgressError
     */
    async send(userId: string, chatId: string, content: string): Promise<Sent> {
      const chat = await find(userId, chatId);
      const candidates = await candidatesFor(chat);
      const [userMessage, message] = await addExchange(chat, content);
      const started = generations.start(message.id, async (emit, signal) => {
        const rows = await repository.findMessages(userId, chatId, HISTORY_MESSAGES);
        const { error, ...result } = await answer(
          {
            candidates,
            messageId: message.id,
            instructions: chat.systemPrompt,
            history: fitHistory(
              rows.filter(({ id }) => id !== message.id),
              chat.historyTokens,
            ),
            tools: chat.useTools ? tools : {},
            signal,
            settings,
            explain: providers.explain,
            onFailure: ({ code }, { provider, modelName }) =>
              log.warn({ code, provider, model: modelName, messageId: message.id }, 'a provider has failed'),
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
  };

  /** An answer was paid for: the database may be away for a moment. */
  async function keep(message: MessageRow, result: AnswerResult): Promise<MessageRow> {
    const kept = await pRetry(() => repository.finish(message, result), { retries: 3, minTimeout: 200 });
    return kept ?? { ...message, ...result, finishedAt: new Date() };
  }
}

const placeOf = ({ createdAt, id }: { createdAt: Date; id: string }) => ({ time: createdAt, id });

function noChat(): never {
  throw new ChatNotFoundError();
}

function noMessage(): never {
  throw new MessageNotFoundError();
}
