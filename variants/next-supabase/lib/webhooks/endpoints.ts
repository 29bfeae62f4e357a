import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { id, plainText, time } from '@/lib/api/schemas';
import { asUser, type Transaction } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import { DomainError } from '@/lib/errors/domain-error';
import { violatedConstraint } from '@/lib/errors/sql-state';
import { AddressNotAllowed } from '@/lib/http/public-address';
import { lockRole, type Member, readRole } from '@/lib/members/members';
import { decodeCursor } from '@/lib/pagination/cursor';
import { type Page, toPage } from '@/lib/pagination/page';
import { newSecret } from './secrets';
import { webhookAddress } from './target';

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

type Row = Omit<Tables<'webhook_endpoints'>, 'secret' | 'secret_set_by' | 'url_set_by'>;

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

const tooMany = () =>
  new DomainError(
    `A project has at most ${ENDPOINTS_PER_PROJECT} webhooks. Remove one first.`,
    'TOO_MANY_WEBHOOKS',
  );

/** The project's webhooks, newest first. @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN */
export async function listWebhooks(
  userId: string,
  projectId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<Webhook>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await readAsAdministrator(userId, projectId, async (tx) => {
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
  return readAsAdministrator(userId, projectId, async (tx) => {
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
  await assertMayUse(userId, projectId, input.url);
  const endpointId = randomUUID();
  const { secret, stored } = newSecret(endpointId, projectId);
  const row = await asAdministrator(userId, projectId, async (tx) => {
    const { rowCount } = await tx.query('SELECT FROM webhook_endpoints WHERE project_id = $1', [projectId]);
    if ((rowCount ?? 0) >= ENDPOINTS_PER_PROJECT) {
      throw tooMany();
    }
    const { rows } = await tx.query<Row>(
      `INSERT INTO webhook_endpoints (id, project_id, url, description, event_types, secret)
       VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
      [endpointId, projectId, input.url, input.description, input.eventTypes, stored],
    );
    return rows[0] as Row;
  }).catch((error: unknown) => {
    // Another request was first, after the count above.
    throw violatedConstraint(error) === 'webhook_endpoints_per_project' ? tooMany() : error;
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
  if (changes.url !== undefined) await assertMayUse(userId, projectId, changes.url);
  return asAdministrator(userId, projectId, async (tx) => {
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

/**
 * Runs work while the user stays an administrator of the project: a removal or demotion waits for it, and ends the webhooks that
 * it has set up. The policies decide as well; this says why where they show nothing.
 */
async function asAdministrator<T>(
  userId: string,
  projectId: string,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return asUser(userId, async (tx) => {
    assertAdministrator(await lockRole(tx, projectId));
    return work(tx);
  });
}

/** Runs reads of an administrator of the project. They lock nothing, so they delay no removal. */
export async function readAsAdministrator<T>(
  userId: string,
  projectId: string,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return asUser(userId, async (tx) => {
    assertAdministrator(await readRole(tx, userId, projectId));
    return work(tx);
  });
}

function assertAdministrator(role: Member['role']): void {
  if (role === 'admin' || role === 'owner') return;
  throw new DomainError('Your role in this project does not allow that.', 'FORBIDDEN');
}

/**
 * Checks a URL before the transaction that stores it: how long its name takes to resolve is for the user to choose, and
 * must hold no connection. Only administrators make the service resolve names.
 *
 * @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, WEBHOOK_URL_NOT_ALLOWED
 */
async function assertMayUse(userId: string, projectId: string, url: string): Promise<void> {
  await readAsAdministrator(userId, projectId, async () => {});
  try {
    await webhookAddress(new URL(url));
  } catch (error) {
    if (!(error instanceof AddressNotAllowed)) throw error;
    throw new DomainError(`The URL cannot be used: ${error.message}.`, 'WEBHOOK_URL_NOT_ALLOWED');
  }
}
