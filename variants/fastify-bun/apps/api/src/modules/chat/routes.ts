import { UI_MESSAGE_STREAM_HEADERS } from 'ai';
import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { callerOf } from '../../shared/lib/http/caller.js';
import {
  Chat,
  ChatParams,
  CreateChat,
  ListChats,
  ListMessages,
  Message,
  MessageParams,
  page,
  ResumeHeaders,
  SendMessage,
  SentMessage,
  UpdateChat,
  UpdateMessage,
} from './schema.js';
import type { ChatService } from './service.js';
import { toEventStream } from './sse.js';

export interface ChatRoutesOptions {
  readonly service: ChatService;
  /** For how long an answer may take, in milliseconds. */
  readonly answerTimeoutMs: number;
}

const tags = ['chat'];
const EventStream = z
  .string()
  .describe("the AI SDK's UI message stream; each event has an id, for Last-Event-ID");
/** What a provider's failure, or the key's, looks like. */
const UPSTREAM = [404, 409, 422, 502, 504];

export const chatRoutes: FastifyPluginAsyncZod<ChatRoutesOptions> = async (
  app,
  { service, answerTimeoutMs },
) => {
  app.post(
    '',
    { config: { problems: [404] }, schema: { tags, body: CreateChat, response: { 201: Chat } } },
    async (request, reply) => {
      const chat = await service.create(callerOf(request), request.body);
      return reply.status(201).header('location', `/chats/${chat.id}`).send(chat);
    },
  );

  app.get('', { schema: { tags, querystring: ListChats, response: { 200: page(Chat) } } }, (request) =>
    service.list(callerOf(request), request.query),
  );

  app.get(
    '/:id',
    { config: { problems: [404] }, schema: { tags, params: ChatParams, response: { 200: Chat } } },
    (request) => service.get(callerOf(request), request.params.id),
  );

  app.patch(
    '/:id',
    {
      config: { problems: [404] },
      schema: { tags, params: ChatParams, body: UpdateChat, response: { 200: Chat } },
    },
    (request) => service.update(callerOf(request), request.params.id, request.body),
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
      config: { timeoutMs: answerTimeoutMs, problems: UPSTREAM },
      schema: {
        tags,
        description: 'Sends a message and answers with what the model says: whole, or bit by bit.',
        params: ChatParams,
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
      const sent = await service.send(userId, chatId, request.body.content);
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
  await reply.headers(headers).send(toEventStream(events, left));
}
