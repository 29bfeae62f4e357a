import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { refreshInput, session } from '@/lib/auth/schemas';
import { refresh } from '@/lib/auth/supabase-auth';
import { limitAttempt } from '@/lib/rate-limit/login-limits';

export const POST = handler(
  {
    operationId: 'refresh',
    summary: 'A new access token, and the next refresh token',
    access: 'public',
    body: refreshInput,
    answers: { 200: data(session) },
    problems: ['INVALID_REFRESH_TOKEN', 'AUTH_REFUSED', 'AUTH_UNAVAILABLE'],
  },
  async ({ request, body }) =>
    ok(await limitAttempt(request, 'refresh', undefined, () => refresh(body.refreshToken))),
);
