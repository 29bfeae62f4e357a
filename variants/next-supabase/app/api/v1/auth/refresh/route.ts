import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { refreshInput } from '@/lib/auth/schemas';
import { refresh } from '@/lib/auth/supabase-auth';
import { recordSecurityEvent } from '@/lib/security/security-events';

export const POST = handler({ access: 'public', body: refreshInput }, async ({ request, body }) => {
  try {
    return ok(await refresh(body.refreshToken));
  } catch (error) {
    recordSecurityEvent('auth.refresh_failed', request);
    throw error;
  }
});
