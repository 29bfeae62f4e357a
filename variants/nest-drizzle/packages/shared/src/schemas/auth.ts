import { z } from 'zod';
import { ROLES } from '../constants.js';
import { id, plainText } from './common.js';

/** The part before the @ is 64 characters at the most (RFC 5321, 4.5.3.1.1). */
export const email = z
  .email()
  .max(254)
  .regex(/^[^@]{1,64}@/, 'must have at most 64 characters before the @')
  .toLowerCase()
  .meta({ example: 'ada@example.com' });

/** Length is what makes a password hard to guess (NIST SP 800-63B); the upper bound keeps hashing bounded. */
export const password = z.string().min(12).max(128).meta({ example: 'correct horse battery' });

export const role = z.enum(ROLES);

export const register = z
  .strictObject({ email, password, name: plainText(1, 100), tenantName: plainText(1, 100) })
  .meta({ id: 'Register' });

export const logIn = z
  .strictObject({
    email,
    password: z.string().max(128),
    tenantId: id.optional().meta({ description: 'which membership to use; the oldest if left out' }),
  })
  .meta({ id: 'LogIn' });

export const refresh = z.strictObject({ refreshToken: z.string().max(200) }).meta({ id: 'Refresh' });

export const session = z
  .object({
    accessToken: z.string(),
    expiresIn: z.int().meta({ description: 'of the access token, in seconds' }),
    refreshToken: z.string().meta({ description: 'good for one use' }),
    tenantId: id,
    role,
  })
  .meta({ id: 'Session' });

export const me = z
  .object({ id, email: z.string(), name: z.string(), tenantId: id, role })
  .meta({ id: 'Me' });

export type Register = z.output<typeof register>;
export type LogIn = z.output<typeof logIn>;
export type Session = z.output<typeof session>;
export type Me = z.output<typeof me>;
