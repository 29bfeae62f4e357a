import { z } from 'zod';
import { Chat, Message } from './chat.js';
import { id, instant, plainText } from './common.js';
import { ProviderKey } from './providers.js';

export const User = z
  .object({
    id,
    name: z.string(),
    email: z.string(),
    emailVerified: z.boolean(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'User' });
export type User = z.output<typeof User>;

export const UpdateUser = z.strictObject({ name: plainText(1, 100) });
export type UpdateUser = z.output<typeof UpdateUser>;

/** Everything that is kept of a user, but for secrets: those are not the user's to read back. */
export const UserExport = z
  .object({
    exportedAt: instant,
    user: User,
    sessions: z.array(
      z.object({
        id,
        createdAt: instant,
        expiresAt: instant,
        ipAddress: z.string().nullable(),
        userAgent: z.string().nullable(),
      }),
    ),
    apiKeys: z.array(
      z.object({ id, name: z.string().nullable(), start: z.string().nullable(), createdAt: instant }),
    ),
    providerKeys: z.array(ProviderKey),
    chats: z.array(Chat),
    messages: z.array(Message),
  })
  .meta({ id: 'UserExport' });
export type UserExport = z.output<typeof UserExport>;
