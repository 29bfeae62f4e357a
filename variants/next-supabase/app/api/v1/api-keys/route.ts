import { created, page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data, pageOf, pageQuery } from '@/lib/api/schemas';
import { apiKey, apiKeyInput, createApiKey, listApiKeys, newApiKeyAnswer } from '@/lib/api-keys/api-keys';
import { recordSecurityEvent } from '@/lib/security/security-events';

export const GET = handler(
  {
    operationId: 'listApiKeys',
    summary: "The user's API keys, newest first",
    access: 'session',
    query: pageQuery,
    answers: { 200: pageOf(apiKey) },
  },
  async ({ caller, query }) => page(await listApiKeys(caller.userId, query)),
);

export const POST = handler(
  {
    operationId: 'createApiKey',
    summary: 'Makes an API key, which is shown this once',
    access: 'session',
    body: apiKeyInput,
    answers: { 201: data(newApiKeyAnswer) },
    problems: ['API_KEY_NAME_TAKEN'],
  },
  async ({ request, caller, body }) => {
    const key = await createApiKey(caller.userId, body);
    recordSecurityEvent('api_key.created', request, { userId: caller.userId, metadata: { keyId: key.id } });
    return created(key, `/api/v1/api-keys/${key.id}`);
  },
);
