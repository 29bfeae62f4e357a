import { z } from 'zod';
import { id, instant, plainText } from './common.js';

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
