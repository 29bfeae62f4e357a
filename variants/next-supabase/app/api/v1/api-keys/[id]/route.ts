import { z } from 'zod';
import { noContent } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { id } from '@/lib/api/schemas';
import { revokeApiKey } from '@/lib/api-keys/api-keys';
import { recordSecurityEvent } from '@/lib/security/security-events';

const params = z.strictObject({ id });

export const DELETE = handler(
  {
    operationId: 'revokeApiKey',
    summary: 'Revokes an API key, from the next request on; it stays in the list',
    access: 'session',
    params,
    answers: { 204: null },
    problems: ['API_KEY_NOT_FOUND'],
  },
  async ({ request, caller, params }) => {
    await revokeApiKey(caller.userId, params.id);
    recordSecurityEvent('api_key.revoked', request, {
      userId: caller.userId,
      metadata: { keyId: params.id },
    });
    return noContent();
  },
);
