import { UI_MESSAGE_STREAM_HEADERS } from 'ai';
import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { callerOf } from '../../shared/lib/http/caller.js';
import { etag, matchesNone, requiredVersion } from '../../shared/lib/http/etag.js';
import { IdempotencyHeaders, keyedRequest, replayed } from '../../shared/lib/idempotency/keyed-request.js';
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
const EventStream = z
  .unknown()
  .describe("the AI SDK's UI message stream; each event has an id, for Last-Event-ID");
/** What a provider's failure, or the key's, looks like. */
const UPSTREAM = [404, 409, 422, 502, 504];

export const chatRoutes: FastifyPluginAsyncZod<ChatRoutesOptions> = async (
  app,
  { service, answerTimeoutMs },
) => {
  app.post(
    '',
    {
      config: { problems: [404, 422] },
      schema: { tags, headers: IdempotencyHeaders, body: CreateChat, response: { 201: Chat } },
    },
    async (request, reply) => {
      const created = await service.create(callerOf(request), request.body, keyedRequest(request));
      const { id, version } = created.result;
      replayed(reply, created).header('location', `/chats/${id}`).header('etag', etag(version));
      return reply.status(201).send(created.result);
    },
  );

  app.get('', { schema: { tags, querystring: ListChats, response: { 200: page(Chat) } } }, (request) =>
    service.list(callerOf(request), request.query),
  );

  app.get(
    '/:id',
    {
      config: { problems: [404] },
      schema: {
        tags,
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
        params: ChatParams,
        headers: VersionHeaders,
        body: UpdateChat,
        response: { 200: Chat },
      },
    },
    async (request, reply) => {
      const version = requiredVersion(request.headers['if-match']);
      const chat = await service.update(callerOf(request), request.params.id, version, request.body);
      reply.header('etag', etag(chat.version));
      return chat;
    },
  );

  app.delete(
    '/:id',
    { config: { problems: [404] }, schema: { tags, params: ChatParams, response: { 204: z.undefined() } } },
    async (request, reply) => {
      await service.remove(callerOf(request), request.params.id);
      return reply.status(204).send();
    },
  );

  app.get(
    '/:id/messages',
    {
      config: { problems: [404] },
      schema: { tags, params: ChatParams, querystring: ListMessages, response: { 200: page(Message) } },
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
      const sent = await service.send(userId, chatId, request.body, keyedRequest(request));
      if ('isRepeated' in sent) {
        await replayed(reply, sent).status(201).send(sent);
        return;
      }
      if (request.body.stream) {
        // Whoever listens reads the result from the stream.
        sent.done.catch(() => {});
        await stream(reply, async (signal) => sent.read(signal));
        return;
      }
      const leave = sent.listen();
      reply.raw.once('close', leave);
      const message = await sent.done;
      await reply.status(201).send({ userMessage: sent.userMessage, message });
    },
  );

  app.get(
    '/:id/messages/:messageId',
    { config: { problems: [404] }, schema: { tags, params: MessageParams, response: { 200: Message } } },
    (request) => service.getMessage(callerOf(request), request.params.id, request.params.messageId),
  );

  app.patch(
    '/:id/messages/:messageId',
    {
      config: { problems: [404] },
      schema: {
        tags,
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
      schema: { tags, params: MessageParams, response: { 204: z.undefined() } },
    },
    async (request, reply) => {
      await service.removeMessage(callerOf(request), request.params.id, request.params.messageId);
      return reply.status(204).send();
    },
  );

  app.get(
    '/:id/messages/:messageId/stream',
    {
      config: { problems: [404] },
      schema: {
        tags,
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
      const after = Number(request.headers['last-event-id'] ?? 0);
      await stream(reply, (signal) =>
        service.readStream(callerOf(request), chatId, messageId, after, signal),
      );
    },
  );

  app.post(
    '/:id/messages/:messageId/stop',
    {
      config: { problems: [404] },
      schema: {
        tags,
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

/** Sends events for as long as the client listens. */
async function stream(
  reply: FastifyReply,
  open: (signal: AbortSignal) => ReturnType<ChatService['readStream']>,
): Promise<void> {
  const left = new AbortController();
  reply.raw.once('close', () => left.abort());
  const events = await open(left.signal);
  if (events === undefined) {
    await reply.status(204).send();
    return;
  }
  const { connection: _keepAlive, ...headers } = UI_MESSAGE_STREAM_HEADERS;
  await reply.headers(headers).send(new AnswerStream(events, left));
}
