import { z } from 'zod';
import { time } from '@/lib/api/schemas';
import type { Tables } from '@/lib/database.types';
import { DomainError } from '@/lib/errors/domain-error';
import { decodeCursor } from '@/lib/pagination/cursor';
import { type Page, toPage } from '@/lib/pagination/page';
import { readAsAdministrator } from './endpoints';

export const delivery = z
  .strictObject({
    /** `webhook-id` of the message. */
    id: z.uuid(),
    eventType: z.string(),
    state: z.enum(['pending', 'delivered', 'failed']),
    attempts: z.int(),
    /** What the receiver answered last. */
    lastStatus: z.int().nullable(),
    lastError: z.string().nullable(),
    createdAt: time,
    completedAt: time.nullable(),
  })
  .meta({ id: 'WebhookDelivery' });

export type Delivery = Readonly<z.output<typeof delivery>>;

const COLUMNS = 'id, event_type, state, attempts, last_status, last_error, created_at, completed_at';

type Row = Pick<
  Tables<'webhook_deliveries'>,
  'id' | 'event_type' | 'state' | 'attempts' | 'last_status' | 'last_error' | 'created_at' | 'completed_at'
>;

const present = (row: Row): Delivery => ({
  id: row.id,
  eventType: row.event_type,
  state: row.state as Delivery['state'],
  attempts: row.attempts,
  lastStatus: row.last_status,
  lastError: row.last_error,
  createdAt: row.created_at,
  completedAt: row.completed_at,
});

/** What became of a webhook's messages, newest first. @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, WEBHOOK_NOT_FOUND */
export async function listDeliveries(
  userId: string,
  projectId: string,
  webhookId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<Delivery>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await readAsAdministrator(userId, projectId, async (tx) => {
    const { rowCount } = await tx.query(
      'SELECT id FROM webhook_endpoints WHERE id = $1 AND project_id = $2',
      [webhookId, projectId],
    );
    if (rowCount === 0) {
      throw new DomainError('There is no such webhook in this project.', 'WEBHOOK_NOT_FOUND');
    }
    const result = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM webhook_deliveries
       WHERE endpoint_id = $1 ${after === undefined ? '' : 'AND (created_at, id) < ($3, $4)'}
       ORDER BY created_at DESC, id DESC LIMIT $2`,
      [webhookId, limit + 1, ...(after === undefined ? [] : [after.time, after.id])],
    );
    return result.rows;
  });
  return toPage(rows, limit, (row) => ({ time: new Date(row.created_at), id: row.id }), present);
}
