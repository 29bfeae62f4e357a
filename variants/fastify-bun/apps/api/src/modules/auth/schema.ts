import { plainText } from '@app/shared';
import { z } from 'zod';

// What Better Auth takes and gives, as far as this service lets it: whatever else it would take stays outside.

/** The part before the @ is 64 characters at the most (RFC 5321, 4.5.3.1.1). */
const email = z
  .email({ abort: true })
  .max(254)
  // Not a pattern: generators of clients read one of a string.
  .refine((text) => text.indexOf('@') <= 64, 'must have at most 64 characters before the @');
/** Argon2 reads every byte: the bound keeps a request from being expensive. */
const password = z.string().min(8).max(128);
const time = z.iso.datetime();

export const AuthUser = z
  .object({
    id: z.uuid(),
    name: z.string(),
    email: z.string(),
    emailVerified: z.boolean(),
    image: z.string().nullish(),
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'AuthUser' });

export const SignIn = z.strictObject({
  email,
  password: z.string().min(1).max(128),
  rememberMe: z.boolean().optional(),
});
export const SignedIn = z.object({
  token: z
    .string()
    .nullable()
    .describe('for `Authorization: Bearer`; null while the address is to be verified'),
  user: AuthUser,
});
export const Session = z.object({
  id: z.uuid(),
  token: z.string().describe('names the session where it is to be revoked; it is no bearer token'),
  expiresAt: time,
  createdAt: time,
  updatedAt: time,
  ipAddress: z.string().nullish(),
  userAgent: z.string().nullish(),
});
export const CurrentSession = z.object({ session: Session, user: AuthUser });
export const RevokeSession = z.strictObject({ token: z.string().min(1).max(200) });

/** What a person does with the token of a mailed link. */
const LinkStep = z.enum(['verify-email', 'reset-password']);
/** Where a mailed link leads if no page was named. */
const instructions = (step: z.output<typeof LinkStep>) => `/api/auth/instructions/${step}`;
/** A page of ours or of an origin in CORS_ORIGINS: Better Auth refuses any other. */
const page = z.string().max(500);
const verificationPage = page
  .default(instructions('verify-email'))
  .describe('the page that asks for the password of the sign-up; it gets `?token=`');

export const SignUp = z.strictObject({
  name: plainText(1, 100),
  email,
  password,
  callbackURL: verificationPage,
});
export const SendVerification = z.strictObject({ email, callbackURL: verificationPage });
export const RequestPasswordReset = z.strictObject({
  email,
  redirectTo: page
    .default(instructions('reset-password'))
    .describe('the page that asks for the new password; it gets `?token=`'),
});
export const ResetLink = z.object({ token: z.string().min(1).max(200) });
export const ResetLinkQuery = z.object({ callbackURL: page.default(instructions('reset-password')) });
export const ResetPassword = z.strictObject({ newPassword: password, token: z.string().min(1).max(200) });
export const ChangePassword = z.strictObject({
  currentPassword: z.string().min(1).max(128),
  newPassword: password,
  revokeOtherSessions: z.boolean().optional().describe('without effect: all other sessions end'),
});
const verificationToken = z.string().min(1).max(2_000);
export const VerificationLink = z.object({ token: verificationToken, callbackURL: verificationPage });
export const Instructions = z.object({ step: LinkStep });
export const InstructionsQuery = z.object({ token: verificationToken.optional() });
export const VerifyEmail = z.strictObject({
  token: verificationToken,
  password: z.string().min(1).max(128).describe('the password of the sign-up'),
});

/** What an endpoint answers that has nothing more to say. */
export const Done = z.object({
  success: z.boolean().optional(),
  status: z.boolean().optional(),
  message: z.string().optional(),
});

export const CreateApiKey = z.strictObject({
  name: plainText(1, 32),
  expiresIn: z
    .int()
    .min(86_400)
    .max(365 * 86_400)
    .optional()
    .describe('seconds until it is no longer accepted; never, if left out'),
});
export const ApiKey = z
  .object({
    id: z.uuid(),
    name: z.string().nullable(),
    start: z.string().nullable().describe('the first characters, to tell keys apart'),
    enabled: z.boolean(),
    expiresAt: time.nullable(),
    lastRequest: time.nullable(),
    createdAt: time,
  })
  .meta({ id: 'ApiKey' });
export const CreatedApiKey = ApiKey.extend({ key: z.string().describe('shown this once') });
export const ApiKeys = z.object({ apiKeys: z.array(ApiKey) });
export const DeleteApiKey = z.strictObject({ keyId: z.uuid() });
