import { created } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { credentials } from '@/lib/auth/schemas';
import { signUp } from '@/lib/auth/supabase-auth';

/** `data` is null where the project wants the address confirmed first. */
export const POST = handler({ access: 'public', body: credentials, limit: 'credentials' }, async ({ body }) =>
  created(await signUp(body.email, body.password), '/api/v1/auth/session'),
);
