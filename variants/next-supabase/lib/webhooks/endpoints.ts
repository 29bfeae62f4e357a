import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { id, plainText, time } from '@/lib/api/schemas';
import { config } from '@/lib/config/config';
import { asUser, type Transaction } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import { DomainError } from '@/lib/errors/domain-error';
import { AddressNotAllowed, publicAddress } from '@/lib/http/public-address';
import { decodeCursor } from '@/lib/pagination/cursor';
import { type Page, toPage } from '@/lib/pagination/page';
import { newSecret } from './secrets';

const COLUMNS = 'id, project_id, url, description, event_types, failures, disabled_at, created_at';
const ENDPOINTS_PER_PROJECT = 20;

export const EVENT_TYPES = ['project.updated', 'member.added', 'member.changed', 'member.removed'] as const;

const url = z.url({ protocol: /^https?$/ }).max(2_000);
const description = plainText(0, 500).nullable();
const eventTypes = z
  .array(z.enum(EVENT_TYPES))
  .min(1)
  .transform((types) => [...new Set(types)]);

export const webhookParams = z.strictObject({ id, webhookId: id });

export const webhookInput = z.strictObject({ url, description: description.default(null), eventTypes });

export const webhookChanges = z
  .strictObject({ url, description, eventTypes, enabled: z.boolean() })
  .partial()
  .refine((changes) => Object.keys(changes).length > 0, 'must name at least one member to change');

const members = {
  id: z.uuid(),
  url: z.string(),
  description: z.string().nullable(),
  eventTypes: z.array(z.enum(EVENT_TYPES)),
  /** False where it was disabled, by an administrator or after too many failures in a row. */
  enabled: z.boolean(),
  failures: z.int(),
  createdAt: time,
};

export const webhook = z.strictObject(members).meta({ id: 'Webhook' });

/** `secret` is shown this once. */
export const webhookWithSecret = z
  .strictObject({ ...members, secret: z.string() })
  .meta({ id: 'WebhookWithSecret' });

export type Webhook = Readonly<z.output<typeof webhook>>;

type Row = Omit<Tables<'webhook_endpoints'>, 'secret'>;

const present = (row: Row): Webhook => ({
  id: row.id,
  url: row.url,
  description: row.description,
  eventTypes: row.event_types as Webhook['eventTypes'],
  enabled: row.disabled_at === null,
  failures: row.failures,
  createdAt: row.created_at,
});

const notFound = () => new DomainError('There is no such webhook in this project.', 'WEBHOOK_NOT_FOUND');

/** The project's webhooks, newest first. @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN */
export async function listWebhooks(
  userId: string,
  projectId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<Webhook>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await asAdministrator(userId, projectId, async (tx) => {
    const result = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM webhook_endpoints
       WHERE project_id = $1 ${after === undefined ? '' : 'AND (created_at, id) < ($3, $4)'}
       ORDER BY created_at DESC, id DESC LIMIT $2`,
      [projectId, limit + 1, ...(after === undefined ? [] : [after.time, after.id])],
    );
    return result.rows;
  });
  return toPage(rows, limit, (row) => ({ time: new Date(row.created_at), id: row.id }), present);
}

/** @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, WEBHOOK_NOT_FOUND */
export async function getWebhook(userId: string, projectId: string, webhookId: string): Promise<Webhook> {
  return asAdministrator(userId, projectId, async (tx) => {
    const { rows } = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM webhook_endpoints WHERE id = $1 AND project_id = $2`,
      [webhookId, projectId],
    );
    if (rows[0] === undefined) throw notFound();
    return present(rows[0]);
  });
}

/** @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, WEBHOOK_URL_NOT_ALLOWED, TOO_MANY_WEBHOOKS */
export async function createWebhook(
  userId: string,
  projectId: string,
  input: z.output<typeof webhookInput>,
): Promise<Webhook & { readonly secret: string }> {
  const endpointId = randomUUID();
  const { secret, stored } = newSecret(endpointId, projectId);
  const row = await asAdministrator(userId, projectId, async (tx) => {
    await assertAllowed(input.url);
    const { rowCount } = await tx.query('SELECT FROM webhook_endpoints WHERE project_id = $1', [projectId]);
    if ((rowCount ?? 0) >= ENDPOINTS_PER_PROJECT) {
      throw new DomainError(
        `A project has at most ${ENDPOINTS_PER_PROJECT} webhooks. Remove one first.`,
        'TOO_MANY_WEBHOOKS',
      );
    }
    const { rows } = await tx.query<Row>(
      `INSERT INTO webhook_endpoints (id, project_id, url, description, event_types, secret)
       VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
      [endpointId, projectId, input.url, input.description, input.eventTypes, stored],
    );
    return rows[0] as Row;
  });
  return { ...present(row), secret };
}

/** @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, WEBHOOK_NOT_FOUND, WEBHOOK_URL_NOT_ALLOWED */
export async function updateWebhook(
  userId: string,
  projectId: string,
  webhookId: string,
  changes: z.output<typeof webhookChanges>,
): Promise<Webhook> {
  return asAdministrator(userId, projectId, async (tx) => {
    if (changes.url !== undefined) await assertAllowed(changes.url);
    const { rows } = await tx.query<Row>(
      `UPDATE webhook_endpoints SET
         url = coalesce($3, url),
         description = CASE WHEN $4 THEN $5 ELSE description END,
         event_types = coalesce($6, event_types),
         failures = CASE WHEN $7::boolean THEN 0 ELSE failures END,
         disabled_at = CASE WHEN $7 THEN NULL WHEN NOT $7 THEN coalesce(disabled_at, now()) ELSE disabled_at END
       WHERE id = $1 AND project_id = $2 RETURNING ${COLUMNS}`,
      [
        webhookId,
        projectId,
        changes.url ?? null,
        changes.description !== undefined,
        changes.description ?? null,
        changes.eventTypes ?? null,
        changes.enabled ?? null,
      ],
    );
    if (rows[0] === undefined) throw notFound();
    return present(rows[0]);
  });
}

/** Puts a new secret in the place of the old one, at once. @throws DomainError as {@link getWebhook} */
export async function replaceSecret(
  userId: string,
  projectId: string,
  webhookId: string,
): Promise<Webhook & { readonly secret: string }> {
  const { secret, stored } = newSecret(webhookId, projectId);
  const row = await asAdministrator(userId, projectId, async (tx) => {
    const { rows } = await tx.query<Row>(
      `UPDATE webhook_endpoints SET secret = $3 WHERE id = $1 AND project_id = $2 RETURNING ${COLUMNS}`,
      [webhookId, projectId, stored],
    );
    return rows[0];
  });
  if (row === undefined) throw notFound();
  return { ...present(row), secret };
}

/** @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, WEBHOOK_NOT_FOUND */
export async function deleteWebhook(userId: string, projectId: string, webhookId: string): Promise<void> {
  await asAdministrator(userId, projectId, async (tx) => {
    const { rowCount } = await tx.query('DELETE FROM webhook_endpoints WHERE id = $1 AND project_id = $2', [
      webhookId,
      projectId,
    ]);
    if (rowCount === 0) throw notFound();
  });
}

/** The policies decide; this says why where they show nothing. */
export async function asAdministrator<T>(
  userId: string,
  projectId: string,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return asUser(userId, async (tx) => {
    const { rows } = await tx.query<{ administers: boolean }>(
      `SELECT role >= 'admin' AS administers FROM project_members WHERE project_id = $1 AND user_id = $2`,
      [projectId, userId],
    );
    if (rows[0] === undefined) throw new DomainError('There is no such project.', 'PROJECT_NOT_FOUND');
    if (!rows[0].administers) {
      throw new DomainError('Your role in this project does not allow that.', 'FORBIDDEN');
    }
    return work(tx);
  });
}

/** Told here so that whoever enters the URL learns it; what counts is the same question before each delivery. */
async function assertAllowed(text: string): Promise<void> {
  const { WEBHOOK_ALLOWED_HOSTS } = config();
  const allowed = new Set(WEBHOOK_ALLOWED_HOSTS.map((host) => host.toLowerCase()));
  const target = new URL(text);
  const refuse = (why: string) =>
    new DomainError(`The URL cannot be used: ${why}.`, 'WEBHOOK_URL_NOT_ALLOWED');
  if (target.protocol !== 'https:' && !allowed.has(target.hostname) && !allowed.has(target.host)) {
    throw refuse('it must begin with https://');
  }
  try {
    await publicAddress(target, allowed);
  } catch (error) {
    throw error instanceof AddressNotAllowed ? refuse(error.message) : error;
  }
}
