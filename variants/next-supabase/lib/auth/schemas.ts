import { z } from 'zod';

export const credentials = z.strictObject({
  email: z.email().max(254),
  // Length alone is checked, by Supabase: composition rules make passwords worse (NIST SP 800-63B).
  password: z
    .string()
    .min(1)
    .max(72)
    .refine((text) => text.isWellFormed(), 'must be well-formed Unicode'),
});

/** What a client needs to act as a user, and to go on doing so. */
export const session = z
  .strictObject({
    accessToken: z.string(),
    refreshToken: z.string(),
    expiresIn: z.int().describe('Seconds.'),
    user: z.strictObject({ id: z.uuid(), email: z.string().optional() }),
  })
  .meta({ id: 'Session' });

/** Who is signed in. */
export const currentSession = z
  .strictObject({ userId: z.uuid(), sessionId: z.uuid() })
  .meta({ id: 'CurrentSession' });

export const refreshInput = z.strictObject({ refreshToken: z.string().min(1).max(255) });

export const signOutInput = z.strictObject({ scope: z.enum(['local', 'global']).default('local') });
