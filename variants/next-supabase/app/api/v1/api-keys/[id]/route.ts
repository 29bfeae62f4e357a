import { z } from 'zod';
import { noContent } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { id } from '@/lib/api/schemas';
import { revokeApiKey } from '@/lib/api-keys/api-keys';
import { recordSecurityEvent } from '@/lib/security/security-events';

const params = z.strictObject({ id });

/** Revokes the key. It stays in the list. */
export const DELETE = handler({ access: 'session', params }, async ({ request, caller, params }) => {
  await revokeApiKey(caller.userId, params.id);
  recordSecurityEvent('api_key.revoked', request, { userId: caller.userId, metadata: { keyId: params.id } });
  return noContent();
});
