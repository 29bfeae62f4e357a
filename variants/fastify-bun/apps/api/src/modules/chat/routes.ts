import { UI_MESSAGE_STREAM_HEADERS } from 'ai';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { callerOf } from '../../shared/lib/http/caller.js';
import { etag, expectedVersion, matchesNone } from '../../shared/lib/http/etag.js';
import { IdempotencyHeaders, keyedRequest, replayed } from '../../shared/lib/idempotency/keyed-request.js';
import { TooManyStreamsError } from './errors.js';
import {
  Chat,
  ChatParams,
  CreateChat,
  ListChats,
  ListMessages,
  Message,
  MessageParams,
  page,
  ReadHeaders,
  ResumeHeaders,
  SendMessage,
  SentMessage,
  UpdateChat,
  UpdateMessage,
  VersionHeaders,
} from './schema.js';
import type { ChatService } from './service.js';
import { AnswerStream } from './sse.js';

export interface ChatRoutesOptions {
  readonly service: ChatService;
  /** For how long an answer may take, in milliseconds. */
  readonly answerTimeoutMs: number;
}

const tags = ['chat'];
/** Streams that a user may read at the same time in one process. */
const STREAMS_PER_USER = 20;
const EventStream = z
  .unknown()
  .describe("the AI SDK's UI message stream; each event has an id, for Last-Event-ID");
/** What a provider's failure, or the key's, looks like. */
const UPSTREAM = [404, 409, 422, 429, 502, 504];

export const chatRoutes: FastifyPluginAsyncZod<ChatRoutesOptions> = async (
  app,
  { service, answerTimeoutMs },
) => {
  /** Open streams by user. Each may hold a connection to Valkey. */
  const open = new Map<string, number>();

  /**
   * Counts a stream until its response is over, and before anything is awaited: two cannot both be the last that is allowed.
   *
   * @throws TooManyStreamsError
   */
  async function countStream(userId: string, respond: () => Promise<void>): Promise<void> {
    const count = open.get(userId) ?? 0;
    if (count >= STREAMS_PER_USER) throw new TooManyStreamsError();
    open.set(userId, count + 1);
    try {
      await respond();
    } finally {
      const others = (open.get(userId) ?? 1) - 1;
      if (others === 0) open.delete(userId);
      else open.set(userId, others);
    }
  }

  /** Sends events for as long as the client listens and its session lasts. */
  async function stream(
    request: FastifyRequest,
    reply: FastifyReply,
    read: (signal: AbortSignal) => ReturnType<ChatService['readStream']>,
  ): Promise<void> {
    const left = new AbortController();
    reply.raw.once('close', () => left.abort());
    const events = await read(left.signal);
    if (events === undefined) {
      await reply.status(204).send();
      return;
    }
    const body = new AnswerStream(events, left);
    app.endWithSession(request, body);
    const { connection: _keepAlive, ...headers } = UI_MESSAGE_STREAM_HEADERS;
    await reply.headers(headers).send(body);
  }

  app.post(
    '',
    {
      config: { problems: [404, 422] },
      schema: {
        tags,
        operationId: 'createChat',
        summary: 'Create a chat',
        headers: IdempotencyHeaders,
        body: CreateChat,
        response: { 201: Chat },
      },
    },
    async (request, reply) => {
      const created = await service.create(callerOf(request), request.body, keyedRequest(request));
      const { id, version } = created.result;
      replayed(reply, created).header('location', `/chats/${id}`).header('etag', etag(version));
      return reply.status(201).send(created.result);
    },
  );

  app.get(
    '',
    {
      schema: {
        tags,
        operationId: 'listChats',
        summary: 'List the chats of the user',
        querystring: ListChats,
        response: { 200: page(Chat) },
      },
    },
    (request) => service.list(callerOf(request), request.query),
  );

  app.get(
    '/:id',
    {
      config: { problems: [404] },
      schema: {
        tags,
        operationId: 'getChat',
        summary: 'Get a chat',
        params: ChatParams,
        headers: ReadHeaders,
        response: {
          200: Chat,
          304: z.undefined().describe('It is still at the version that If-None-Match names'),
        },
      },
    },
    async (request, reply) => {
      const chat = await service.get(callerOf(request), request.params.id);
      reply.header('etag', etag(chat.version));
      if (matchesNone(request.headers['if-none-match'], chat.version)) return reply.status(304).send();
      return reply.send(chat);
    },
  );

  app.patch(
    '/:id',
    {
      config: { problems: [404, 412, 428] },
      schema: {
        tags,
        operationId: 'updateChat',
        summary: 'Change a chat',
        params: ChatParams,
        headers: VersionHeaders,
        body: UpdateChat,
        response: { 200: Chat },
      },
    },
    async (request, reply) => {
      const [caller, { id }] = [callerOf(request), request.params];
      const version = await expectedVersion(
        request.headers['if-match'],
        async () => (await service.get(caller, id)).version,
      );
      const chat = await service.update(caller, id, version, request.body);
      reply.header('etag', etag(chat.version));
      return chat;
    },
  );

  app.delete(
    '/:id',
    {
      config: { problems: [404] },
      schema: {
        tags,
        operationId: 'deleteChat',
        summary: 'Delete a chat',
        params: ChatParams,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await service.remove(callerOf(request), request.params.id);
      return reply.status(204).send();
    },
  );

  app.get(
    '/:id/messages',
    {
      config: { problems: [404] },
      schema: {
        tags,
        operationId: 'listMessages',
        summary: 'List the messages of a chat',
        params: ChatParams,
        querystring: ListMessages,
        response: { 200: page(Message) },
      },
    },
    (request) => service.listMessages(callerOf(request), request.params.id, request.query),
  );

  app.post(
    '/:id/messages',
    {
      config: {
        timeoutMs: ({ body }) =>
          (body as Partial<SendMessage> | null)?.answer === false ? undefined : answerTimeoutMs,
        problems: UPSTREAM,
      },
      schema: {
        tags,
        operationId: 'sendMessage',
        summary: 'Send a message',
        description:
          'Sends a message and answers with what the model says: whole, or bit by bit. A repetition of an earlier request is answered with the whole.',
        params: ChatParams,
        headers: IdempotencyHeaders,
        body: SendMessage,
        response: {
          200: {
            description: 'with stream: true',
            content: { 'text/event-stream': { schema: EventStream } },
          },
          201: SentMessage,
        },
      },
    },
    async (request, reply) => {
      const userId = callerOf(request);
      const { id: chatId } = request.params;
      const respond = async () => {
        const sent = await service.send(userId, chatId, request.body, keyedRequest(request));
        if ('isRepeated' in sent) {
          await replayed(reply, sent).status(201).send(sent);
          return;
        }
        if (request.body.stream) {
          // Listeners read the result from the stream.
          sent.done.catch(() => {});
          await stream(request, reply, async (signal) => sent.read(signal));
          return;
        }
        const leave = sent.listen();
        // A client that has left before is not told of again.
        if (reply.raw.destroyed) leave();
        else reply.raw.once('close', leave);
        const message = await sent.done;
        await reply.status(201).send({ userMessage: sent.userMessage, message });
      };
      await (request.body.stream ? countStream(userId, respond) : respond());
    },
  );

  app.get(
    '/:id/messages/:messageId',
    {
      config: { problems: [404] },
      schema: {
        tags,
        operationId: 'getMessage',
        summary: 'Get a message',
        params: MessageParams,
        response: { 200: Message },
      },
    },
    (request) => service.getMessage(callerOf(request), request.params.id, request.params.messageId),
  );

  app.patch(
    '/:id/messages/:messageId',
    {
      config: { problems: [404] },
      schema: {
        tags,
        operationId: 'updateMessage',
        summary: 'Change a message of the user',
        description: 'Changes what the user has said.',
        params: MessageParams,
        body: UpdateMessage,
        response: { 200: Message },
      },
    },
    (request) =>
      service.updateMessage(
        callerOf(request),
        request.params.id,
        request.params.messageId,
        request.body.content,
      ),
  );

  app.delete(
    '/:id/messages/:messageId',
    {
      config: { problems: [404, 409] },
      schema: {
        tags,
        operationId: 'deleteMessage',
        summary: 'Delete a message',
        params: MessageParams,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await service.removeMessage(callerOf(request), request.params.id, request.params.messageId);
      return reply.status(204).send();
    },
  );

  app.get(
    '/:id/messages/:messageId/stream',
    {
      config: { timeoutMs: () => answerTimeoutMs, problems: [404, 429] },
      schema: {
        tags,
        operationId: 'followAnswer',
        summary: 'Continue to read an answer',
        description:
          'Goes on with an answer that is being made, behind the event that Last-Event-ID names. 204 where there is none: read the message then.',
        params: MessageParams,
        headers: ResumeHeaders,
        response: {
          200: { description: 'the rest', content: { 'text/event-stream': { schema: EventStream } } },
          204: z.undefined(),
        },
      },
    },
    async (request, reply) => {
      const { id: chatId, messageId } = request.params;
      const userId = callerOf(request);
      const after = Number(request.headers['last-event-id'] ?? 0);
      await countStream(userId, () =>
        stream(request, reply, (signal) => service.readStream(userId, chatId, messageId, after, signal)),
      );
    },
  );

  app.post(
    '/:id/messages/:messageId/stop',
    {
      config: { problems: [404] },
      schema: {
        tags,
        operationId: 'stopAnswer',
        summary: 'Stop an answer',
        description: 'Stops the answer. What there is of it is kept.',
        params: MessageParams,
        response: { 202: z.undefined() },
      },
    },
    async (request, reply) => {
      await service.stop(callerOf(request), request.params.id, request.params.messageId);
      return reply.status(202).send();
    },
  );
};
