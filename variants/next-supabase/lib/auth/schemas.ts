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

export const refreshInput = z.strictObject({ refreshToken: z.string().min(1).max(255) });

export const signOutInput = z.strictObject({ scope: z.enum(['local', 'global']).default('local') });
