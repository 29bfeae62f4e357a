import { z } from 'zod';
import {
  Chat,
  CreateChat,
  ListChats,
  Message,
  SendMessage,
  SentMessage,
  UpdateChat,
  UpdateMessage,
} from '../schemas/chat.js';
import { page, pageQuery } from '../schemas/common.js';
import {
  CreateProviderKey,
  ProviderKey,
  ProviderTest,
  RotateProviderKey,
  TestProviderKey,
  UpdateProviderKey,
} from '../schemas/providers.js';
import { UpdateUser, User, UserExport } from '../schemas/users.js';

/** One operation of the OpenAPI document. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
  /** A change of what is at a version: without that it is refused. */
  readonly isVersioned?: boolean;
  /** It may be sent with an `Idempotency-Key`: then a repetition has no second effect. */
  readonly isKeyed?: boolean;
}

const nothing = z.undefined();

/** What the client can ask for. A test of the service holds this list against its OpenAPI document. */
export const OPERATIONS = {
  getMe: { method: 'GET', path: '/users/me', answer: User },
  updateMe: { method: 'PATCH', path: '/users/me', body: UpdateUser, answer: User },
  deleteMe: { method: 'DELETE', path: '/users/me', answer: nothing },
  exportMe: { method: 'GET', path: '/users/me/export', answer: UserExport },

  createProviderKey: {
    method: 'POST',
    path: '/providers',
    body: CreateProviderKey,
    answer: ProviderKey,
    isKeyed: true,
  },
  listProviderKeys: { method: 'GET', path: '/providers', answer: z.object({ data: z.array(ProviderKey) }) },
  getProviderKey: { method: 'GET', path: '/providers/{id}', answer: ProviderKey },
  updateProviderKey: {
    method: 'PATCH',
    path: '/providers/{id}',
    body: UpdateProviderKey,
    answer: ProviderKey,
  },
  rotateProviderKey: {
    method: 'POST',
    path: '/providers/{id}/rotate',
    body: RotateProviderKey,
    answer: ProviderKey,
  },
  testProviderKey: {
    method: 'POST',
    path: '/providers/{id}/test',
    body: TestProviderKey,
    answer: ProviderTest,
  },
  deleteProviderKey: { method: 'DELETE', path: '/providers/{id}', answer: nothing },

  createChat: { method: 'POST', path: '/chats', body: CreateChat, answer: Chat, isKeyed: true },
  listChats: { method: 'GET', path: '/chats', query: ListChats, answer: page(Chat) },
  getChat: { method: 'GET', path: '/chats/{id}', answer: Chat },
  updateChat: {
    method: 'PATCH',
    path: '/chats/{id}',
    body: UpdateChat,
    answer: Chat,
    isVersioned: true,
  },
  deleteChat: { method: 'DELETE', path: '/chats/{id}', answer: nothing },

  sendMessage: {
    method: 'POST',
    path: '/chats/{id}/messages',
    body: SendMessage,
    answer: SentMessage,
    isKeyed: true,
  },
  listMessages: { method: 'GET', path: '/chats/{id}/messages', query: pageQuery, answer: page(Message) },
  getMessage: { method: 'GET', path: '/chats/{id}/messages/{messageId}', answer: Message },
  updateMessage: {
    method: 'PATCH',
    path: '/chats/{id}/messages/{messageId}',
    body: UpdateMessage,
    answer: Message,
  },
  deleteMessage: { method: 'DELETE', path: '/chats/{id}/messages/{messageId}', answer: nothing },
  stopAnswer: { method: 'POST', path: '/chats/{id}/messages/{messageId}/stop', answer: nothing },
} as const satisfies Record<string, Operation>;
