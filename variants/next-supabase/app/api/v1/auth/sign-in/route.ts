import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { credentials } from '@/lib/auth/schemas';
import { signIn } from '@/lib/auth/supabase-auth';
import { recordSecurityEvent } from '@/lib/security/security-events';

export const POST = handler(
  { access: 'public', body: credentials, limit: 'credentials' },
  async ({ request, body }) => {
    try {
      return ok(await signIn(body.email, body.password));
    } catch (error) {
      recordSecurityEvent('auth.sign_in_failed', request);
      throw error;
    }
  },
);
