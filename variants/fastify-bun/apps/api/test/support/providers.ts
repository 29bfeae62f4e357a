import { ProviderName } from '@app/shared';
import type { HttpClient } from './service.js';
import type { Upstream } from './upstream.js';
import type { TestUser } from './users.js';

/** In a log, an answer or a page of the database this must never be found. */
export const CANARY = 'sk-canary-0123456789-WXYZ';

/** The first of the providers that this service offers. */
export const ANY_PROVIDER: string = ProviderName.options[0] ?? '';

/** Settings that lead every provider to the fake one. */
export function gateways({ url, host }: Upstream): Record<string, string> {
  return {
    ANTHROPIC_BASE_URL: `${url}/v1`,
    GOOGLE_BASE_URL: `${url}/v1beta`,
    OPENAI_BASE_URL: `${url}/v1`,
    PROVIDER_ALLOWED_HOSTS: host,
  };
}

/** What is needed to store a key of a provider. */
export function keyFor(provider: string, { url }: Upstream) {
  return {
    provider,
    label: `mine, ${crypto.randomUUID()}`,
    apiKey: CANARY,
    ...(provider === 'openai-compatible' && { baseUrl: `${url}/v1` }),
  };
}

/** Stores a key and starts a chat with it. */
export async function startChat(
  service: HttpClient,
  upstream: Upstream,
  { auth }: TestUser,
  { provider = ANY_PROVIDER, ...chat }: { provider?: string } & Record<string, unknown> = {},
): Promise<{ readonly id: string; readonly providerKeyId: string }> {
  const key = await service.post('/providers', keyFor(provider, upstream), auth);
  const made = await service.post(
    '/chats',
    { providerKeyId: key.body.id, model: 'some-model', ...chat },
    auth,
  );
  if (made.status !== 201) throw new Error(`the chat was refused: ${JSON.stringify(made.body)}`);
  return made.body;
}
