import { z } from 'zod';
import { plainText, time } from '@/lib/api/schemas';
import type { Transaction } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import { DomainError } from '@/lib/errors/domain-error';
import { sqlState } from '@/lib/errors/sql-state';
import { lockRole } from '@/lib/members/members';

/** Only these are recorded by clients: what the service records itself cannot be made up. */
const CUSTOM = /^custom\.[a-z0-9][a-z0-9_.-]{0,42}$/;
const MAX_MEMBERS = 20;

export const usageInput = z.strictObject({
  eventType: z.string().regex(CUSTOM, 'must be custom. and 1 to 43 of a-z, 0-9, _, . and -'),
  metadata: z
    .record(
      z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,49}$/),
      z.union([z.boolean(), z.number(), plainText(0, 200)]),
    )
    .refine(
      (metadata) => Object.keys(metadata).length <= MAX_MEMBERS,
      `must have at most ${MAX_MEMBERS} members`,
    )
    .default({}),
});

export const recordedUsage = z
  .strictObject({
    id: z.uuid(),
    projectId: z.uuid(),
    eventType: z.string(),
    metadata: z.record(z.string(), z.union([z.boolean(), z.number(), z.string()])),
    createdAt: time,
  })
  .meta({ id: 'RecordedUsage' });

type Row = Tables<'usage_metrics'>;

/** Records that something happened in a project. @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN */
export async function recordUsage(
  tx: Transaction,
  userId: string,
  projectId: string,
  input: z.output<typeof usageInput>,
): Promise<Readonly<z.output<typeof recordedUsage>>> {
  await lockRole(tx, projectId);
  const row = await tx
    .query<Row>(
      `INSERT INTO usage_metrics (user_id, project_id, event_type, metadata) VALUES ($1, $2, $3, $4)
       RETURNING id, created_at`,
      [userId, projectId, input.eventType, input.metadata],
    )
    .catch((error: unknown) => {
      if (sqlState(error) !== '42501') throw error;
      throw new DomainError('Your role in this project does not allow that.', 'FORBIDDEN');
    });
  const { id, created_at: createdAt } = row.rows[0] as Row;
  return { id, projectId, ...input, createdAt };
}
