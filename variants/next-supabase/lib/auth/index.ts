import { verifyAccessToken } from './access-token';
import { API_KEY_PREFIX, findApiKey } from './api-key';
import type { Identity } from './identity';
import { findSession } from './sessions';

/**
 * Who sends a request: `Authorization: Bearer` with an access token of Supabase Auth or with an API key.
 *
 * @returns null where the request names nobody, or somebody who may not come in (any more)
 */
export async function authenticate(request: Request): Promise<Identity | null> {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (token === undefined) return null;
  if (token.startsWith(API_KEY_PREFIX)) {
    const key = await findApiKey(token);
    return key === undefined ? null : { kind: 'api-key', ...key };
  }
  const session = await verifyAccessToken(token);
  if (session === undefined) return null;
  const active = await findSession(session);
  if (active === undefined) return null;
  return { kind: 'session', ...session, ...active, accessToken: token };
}
