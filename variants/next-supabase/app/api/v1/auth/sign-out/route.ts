import { noContent } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { signOutInput } from '@/lib/auth/schemas';
import { signOut } from '@/lib/auth/supabase-auth';

export const POST = handler({ access: 'session', body: signOutInput }, async ({ caller, body }) => {
  await signOut(caller, body.scope);
  return noContent();
});
