import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { pool } from '@/lib/database/pool';
import { DomainError } from '@/lib/errors/domain-error';
import { once } from '@/lib/idempotency/replay';
import { newUser } from '../support/api';

process.env.ENCRYPTION_KEYS ??= 'e'.repeat(64);

afterAll(() => pool().end());

const taken = (cause: unknown) =>
  new DomainError('The name is taken.', 'API_KEY_NAME_TAKEN', {}, {}, { cause });

/** What makes an API key of a name, which a user has once, and takes its time. */
const request = (userId: string, idempotencyKey: string, told: (error: unknown) => unknown) => {
  const sent = new Request('http://localhost/api/v1/api-keys', {
    method: 'POST',
    headers: { 'idempotency-key': idempotencyKey },
  });
  return once(userId, sent, { name: 'ci' }, async (tx) => {
    const insert = `INSERT INTO api_keys (name, prefix, hash, scopes)
      VALUES ('ci', 'svk_', $1, '{projects:read}') RETURNING id`;
    const { rows } = await tx.query(insert, [randomBytes(32)]).catch((error: unknown) => {
      throw told(error);
    });
    await sleep(100);
    return { status: 201, body: { data: rows[0] } };
  });
};

it.each([
  ['as PostgreSQL says it', (error: unknown) => error],
  ['as the domain names it', taken],
])('requests of one key at the same moment are one, though its row is unique, %s', async (_, told) => {
  const { id } = await newUser();
  const key = randomUUID();
  const answers = await Promise.all([1, 2, 3, 4].map(() => request(id, key, told)));
  expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  const replayed = answers.filter(({ headers }) => headers?.['idempotency-replayed'] === 'true');
  expect(replayed).toHaveLength(3);
  await expect(request(id, randomUUID(), taken)).rejects.toMatchObject({ code: 'API_KEY_NAME_TAKEN' });
});
