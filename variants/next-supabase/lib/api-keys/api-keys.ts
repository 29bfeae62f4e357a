import { z } from 'zod';
import { dateTime } from '@/lib/api/date-time';
import { plainText, time } from '@/lib/api/schemas';
import { newApiKey } from '@/lib/auth/api-key';
import { SCOPES, type Scope } from '@/lib/auth/identity';
import { asUser } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import { DomainError } from '@/lib/errors/domain-error';
import { violatedConstraint } from '@/lib/errors/sql-state';
import { decodeCursor } from '@/lib/pagination/cursor';
import { type Page, toPage } from '@/lib/pagination/page';

const COLUMNS = 'id, user_id, name, prefix, scopes, expires_at, last_used_at, revoked_at, created_at';

type Row = Omit<Tables<'api_keys'>, 'hash'>;

export const apiKeyInput = z.strictObject({
  name: plainText(1, 100),
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .transform((scopes) => [...new Set(scopes)]),
  expiresAt: dateTime
    .refine((time) => Date.parse(time) > Date.now(), 'must be in the future')
    .nullable()
    .default(null),
});

export const apiKey = z
  .strictObject({
    id: z.uuid(),
    name: z.string(),
    prefix: z.string().describe('How the key begins: enough to recognise it.'),
    scopes: z.array(z.enum(SCOPES)),
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable().describe('To the minute.'),
    revokedAt: time.nullable(),
    createdAt: time,
  })
  .meta({ id: 'ApiKey' });

export const newApiKeyAnswer = apiKey
  .extend({ key: z.string().describe('Shown this once.') })
  .meta({ id: 'NewApiKey' });

export type ApiKey = Readonly<z.output<typeof apiKey>>;

const present = (row: Row): ApiKey => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes as Scope[],
  expiresAt: row.expires_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
  createdAt: row.created_at,
});

/** The user's keys, newest first. */
export async function listApiKeys(
  userId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<ApiKey>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await asUser(userId, async (tx) => {
    const result = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM api_keys
       WHERE user_id = $1 ${after === undefined ? '' : 'AND (created_at, id) < ($3, $4)'}
       ORDER BY created_at DESC, id DESC LIMIT $2`,
      [userId, limit + 1, ...(after === undefined ? [] : [after.time, after.id])],
    );
    return result.rows;
  });
  return toPage(rows, limit, (row) => ({ time: new Date(row.created_at), id: row.id }), present);
}

/**
 * Makes a key. This is the only time that `key` is shown: its hash is all that is stored.
 *
 * @throws DomainError API_KEY_NAME_TAKEN
 */
export async function createApiKey(
  userId: string,
  input: z.output<typeof apiKeyInput>,
): Promise<Readonly<z.output<typeof newApiKeyAnswer>>> {
  const { key, prefix, hash } = newApiKey();
  const row = await asUser(userId, async (tx) => {
    const { rows } = await tx.query<Row>(
      `INSERT INTO api_keys (name, prefix, hash, scopes, expires_at) VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`,
      [input.name, prefix, hash, input.scopes, input.expiresAt],
    );
    return rows[0] as Row;
  }).catch((error: unknown) => {
    if (violatedConstraint(error) !== 'api_keys_user_name') throw error;
    throw new DomainError('You have an API key of this name.', 'API_KEY_NAME_TAKEN');
  });
  return { ...present(row), key };
}

/** Revokes a key, from the next request on. @throws DomainError API_KEY_NOT_FOUND */
export async function revokeApiKey(userId: string, id: string): Promise<void> {
  await asUser(userId, async (tx) => {
    const { rowCount } = await tx.query(
      'UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL',
      [id, userId],
    );
    if (rowCount === 0) throw new DomainError('There is no such API key.', 'API_KEY_NOT_FOUND');
  });
}
