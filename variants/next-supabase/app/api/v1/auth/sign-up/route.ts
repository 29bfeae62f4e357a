import { created } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { credentials, session } from '@/lib/auth/schemas';
import { signUp } from '@/lib/auth/supabase-auth';
import { limitAttempt } from '@/lib/rate-limit/login-limits';

/** `data` is null where the project wants the address confirmed first. */
export const POST = handler(
  {
    operationId: 'signUp',
    summary: 'Makes a user',
    access: 'public',
    body: credentials,
    limit: 'sign-ups',
    answers: { 201: data(session.nullable()) },
    problems: ['EMAIL_TAKEN', 'AUTH_REFUSED', 'AUTH_UNAVAILABLE'],
  },
  async ({ request, body: { email, password } }) =>
    created(
      await limitAttempt(request, 'sign-up', email, () => signUp(email, password)),
      '/api/v1/auth/session',
    ),
);
