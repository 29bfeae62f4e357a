import { created } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { credentials, session } from '@/lib/auth/schemas';
import { signUp } from '@/lib/auth/supabase-auth';

/** `data` is null where the project wants the address confirmed first. */
export const POST = handler(
  {
    operationId: 'signUp',
    summary: 'Makes a user',
    access: 'public',
    body: credentials,
    limit: 'credentials',
    answers: { 201: data(session.nullable()) },
    problems: ['EMAIL_TAKEN', 'AUTH_REFUSED', 'AUTH_UNAVAILABLE'],
  },
  async ({ body }) => created(await signUp(body.email, body.password), '/api/v1/auth/session'),
);
