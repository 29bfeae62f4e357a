import { created, page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { pageQuery } from '@/lib/api/schemas';
import { apiKeyInput, createApiKey, listApiKeys } from '@/lib/api-keys/api-keys';
import { recordSecurityEvent } from '@/lib/security/security-events';

export const GET = handler({ access: 'session', query: pageQuery }, async ({ caller, query }) =>
  page(await listApiKeys(caller.userId, query)),
);

export const POST = handler({ access: 'session', body: apiKeyInput }, async ({ request, caller, body }) => {
  const key = await createApiKey(caller.userId, body);
  recordSecurityEvent('api_key.created', request, { userId: caller.userId, metadata: { keyId: key.id } });
  return created(key, `/api/v1/api-keys/${key.id}`);
});
