import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { credentials, session } from '@/lib/auth/schemas';
import { signIn } from '@/lib/auth/supabase-auth';
import { limitAttempt } from '@/lib/rate-limit/login-limits';

export const POST = handler(
  {
    operationId: 'signIn',
    summary: 'Signs a user in',
    access: 'public',
    body: credentials,
    answers: { 200: data(session) },
    problems: ['INVALID_CREDENTIALS', 'AUTH_REFUSED', 'AUTH_UNAVAILABLE'],
  },
  async ({ request, body: { email, password } }) =>
    ok(await limitAttempt(request, 'sign-in', email, () => signIn(email, password))),
);
