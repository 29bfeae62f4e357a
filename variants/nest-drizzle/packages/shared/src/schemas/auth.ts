import { z } from 'zod';
import { ROLES } from '../constants.js';
import { id, pageOf, plainText } from './common.js';

/** The part before the @ is 64 characters at the most (RFC 5321, 4.5.3.1.1). */
export const email = z
  .email()
  .max(254)
  .toLowerCase()
  // Not a pattern: generators of clients read one of a string.
  .refine((text) => text.indexOf('@') <= 64, 'must have at most 64 characters before the @')
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

export const registrationPending = z
  .object({
    status: z.literal('verification_required'),
    expiresIn: z.int().meta({ description: 'of the token in the mail, in seconds' }),
  })
  .meta({ id: 'RegistrationPending' });

/** A token that a mail brought. */
const mailToken = z.string().max(200).meta({ description: 'from the mail' });

export const verifyEmail = z
  .strictObject({
    token: mailToken,
    password: z.string().max(128).meta({ description: 'the one of the registration' }),
  })
  .meta({ id: 'VerifyEmail' });

export const changePassword = z
  .strictObject({ currentPassword: z.string().max(128), newPassword: password })
  .meta({ id: 'ChangePassword' });

export const requestPasswordReset = z.strictObject({ email }).meta({ id: 'RequestPasswordReset' });

export const resetPassword = z
  .strictObject({ token: mailToken, newPassword: password })
  .meta({ id: 'ResetPassword' });

export const refresh = z.strictObject({ refreshToken: z.string().max(200) }).meta({ id: 'Refresh' });

export const session = z
  .object({
    accessToken: z.string(),
    expiresIn: z.int().meta({ description: 'of the access token, in seconds' }),
    refreshToken: z.string().meta({ description: 'exchanged once for another; see POST /auth/refresh' }),
    tenantId: id,
    role,
  })
  .meta({ id: 'Session' });

export const switchTenant = z
  .strictObject({ refreshToken: z.string().max(200), tenantId: id })
  .meta({ id: 'SwitchTenant' });

export const ownTenant = z.object({ id, name: z.string(), role }).meta({ id: 'OwnTenant' });

export const ownTenantPage = pageOf(ownTenant).meta({ id: 'OwnTenantPage' });

export const me = z
  .object({ id, email: z.string(), name: z.string(), tenantId: id, role })
  .meta({ id: 'Me' });

export type Register = z.output<typeof register>;
export type RegistrationPending = z.output<typeof registrationPending>;
export type VerifyEmail = z.output<typeof verifyEmail>;
export type ChangePassword = z.output<typeof changePassword>;
export type RequestPasswordReset = z.output<typeof requestPasswordReset>;
export type ResetPassword = z.output<typeof resetPassword>;
export type LogIn = z.output<typeof logIn>;
export type Session = z.output<typeof session>;
export type SwitchTenant = z.output<typeof switchTenant>;
export type OwnTenant = z.output<typeof ownTenant>;
export type Me = z.output<typeof me>;
