import { createHash, randomBytes } from 'node:crypto';
import { pool } from '@/lib/database/pool';
import type { Scope } from './identity';

/** By which a key is told from an access token, and found by secret scanners. */
export const API_KEY_PREFIX = 'svk_';

const SHOWN = API_KEY_PREFIX.length + 6;

/** A new key: 256 random bits. Only `prefix` and `hash` are stored. */
export function newApiKey(): { key: string; prefix: string; hash: Buffer } {
  const key = API_KEY_PREFIX + randomBytes(32).toString('base64url');
  return { key, prefix: key.slice(0, SHOWN), hash: hashOf(key) };
}

const hashOf = (key: string) => createHash('sha256').update(key).digest();

/** Whose key this is. It is looked up each time: a key that is revoked fails from then on. */
export async function findApiKey(
  key: string,
): Promise<{ keyId: string; userId: string; scopes: Scope[] } | undefined> {
  const { rows } = await pool().query<{ key_id: string; user_id: string; scopes: Scope[] }>({
    name: 'api-key',
    text: 'SELECT key_id, user_id, scopes FROM private.use_api_key($1)',
    values: [hashOf(key)],
  });
  const [row] = rows;
  return row && { keyId: row.key_id, userId: row.user_id, scopes: row.scopes };
}
