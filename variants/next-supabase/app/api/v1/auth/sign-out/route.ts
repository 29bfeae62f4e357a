import { noContent } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { signOutInput } from '@/lib/auth/schemas';
import { signOut } from '@/lib/auth/supabase-auth';

export const POST = handler(
  {
    operationId: 'signOut',
    summary: 'Ends this session, or all of the user',
    access: 'session',
    body: signOutInput,
    answers: { 204: null },
    problems: ['AUTH_REFUSED'],
  },
  async ({ caller, body }) => {
    await signOut(caller, body.scope);
    return noContent();
  },
);
