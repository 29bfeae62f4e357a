import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { credentials, session } from '@/lib/auth/schemas';
import { signIn } from '@/lib/auth/supabase-auth';
import { recordSecurityEvent } from '@/lib/security/security-events';

export const POST = handler(
  {
    operationId: 'signIn',
    summary: 'Signs a user in',
    access: 'public',
    body: credentials,
    limit: 'credentials',
    answers: { 200: data(session) },
    problems: ['INVALID_CREDENTIALS', 'AUTH_REFUSED', 'AUTH_UNAVAILABLE'],
  },
  async ({ request, body }) => {
    try {
      return ok(await signIn(body.email, body.password));
    } catch (error) {
      recordSecurityEvent('auth.sign_in_failed', request);
      throw error;
    }
  },
);
