import type { Identity } from '@/lib/auth/identity';
import { cached, invalidate } from '@/lib/cache/cache';
import { pool } from '@/lib/database/pool';
import { asUser, type Transaction } from '@/lib/database/transaction';
import { DomainError, ValidationError } from '@/lib/errors/domain-error';
import { sqlState, violatedConstraint } from '@/lib/errors/sql-state';
import { projectTag, projectTags } from '@/lib/events/project-events';
import { decodeCursor } from '@/lib/pagination/cursor';
import { type Page, toPage } from '@/lib/pagination/page';
import {
  type Project,
  type ProjectChanges,
  type ProjectInput,
  present,
  type ProjectRow as Row,
} from './project';

const notFound = () => new DomainError('There is no such project.', 'PROJECT_NOT_FOUND');
const forbidden = () => new DomainError('Your role in this project does not allow that.', 'FORBIDDEN');

/** By the constraint that is newer than some rows: the member that must be sent, too. */
const NEWER_RULES: Readonly<Record<string, string>> = {
  projects_name_plain: '/name',
  projects_description_plain: '/description',
  projects_settings_shape: '/settings',
};

/** Names the refusal of a change. `require_role` refuses where the user lost the role while the statement waited. */
function throwRefusal(error: unknown): never {
  if (sqlState(error) === '42501') throw forbidden();
  const pointer = NEWER_RULES[violatedConstraint(error) ?? ''];
  if (pointer === undefined) throw error;
  throw new ValidationError([
    { pointer, message: 'must be sent: what is stored breaks a rule that is newer than it' },
  ]);
}

/** Named, since a column that is added has no grant. */
const COLUMNS = 'id, user_id, name, description, settings, version, created_at, updated_at';
const P_COLUMNS = COLUMNS.replace(/\w+/g, 'p.$&');

/** The projects of which the user is a member, newest first. */
export async function listProjects(
  userId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<Project>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await asUser(userId, async (tx) => {
    const result = await tx.query<Row>({
      name: after === undefined ? 'projects-first' : 'projects-next',
      text: `SELECT ${P_COLUMNS} FROM project_members m JOIN projects p ON p.id = m.project_id
        WHERE m.user_id = $1 ${after === undefined ? '' : 'AND (p.created_at, p.id) < ($3, $4)'}
        ORDER BY p.created_at DESC, p.id DESC LIMIT $2`,
      values: [userId, limit + 1, ...(after === undefined ? [] : [after.time, after.id])],
    });
    return result.rows;
  });
  return toPage(rows, limit, (row) => ({ time: new Date(row.created_at), id: row.id }), present);
}

/** Creates a project that the caller owns. @throws DomainError INSUFFICIENT_SCOPE */
export async function createProject(
  tx: Transaction,
  caller: Identity,
  input: ProjectInput,
): Promise<Project> {
  if (input.settings.isPublic) assertMayPublish(caller);
  const { rows } = await tx.query<Row>(
    `INSERT INTO projects (user_id, name, description, settings) VALUES ($1, $2, $3, $4) RETURNING ${COLUMNS}`,
    [caller.userId, input.name, input.description, input.settings],
  );
  return present(rows[0] as Row);
}

/** @throws DomainError PROJECT_NOT_FOUND, also where the user may not see it */
export async function getProject(userId: string, id: string): Promise<Project> {
  return cached(`project:${userId}:${id}`, projectTags(id), () => readProject(userId, id));
}

/** Reads a project as a user, in one round trip and past the cache. @throws DomainError PROJECT_NOT_FOUND */
export async function readProject(userId: string, id: string): Promise<Project> {
  const { rows } = await pool().query<Row>({
    name: 'project-for',
    text: 'SELECT * FROM private.project_for($1, $2)',
    values: [userId, id],
  });
  if (rows[0] === undefined) throw notFound();
  return present(rows[0]);
}

/**
 * Changes a project that is still at `version` (optimistic locking).
 *
 * @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, INSUFFICIENT_SCOPE, VERSION_CONFLICT
 */
export async function updateProject(
  caller: Identity,
  id: string,
  version: number,
  changes: ProjectChanges,
): Promise<Project> {
  const project = await asUser(caller.userId, async (tx) => {
    // In the statement itself: read before it, a project can be made private in between.
    const { rows } = await tx.query<Row>(
      `UPDATE projects SET
         name = coalesce($3, name),
         description = CASE WHEN $4 THEN $5 ELSE description END,
         settings = coalesce($6, settings)
       WHERE id = $1 AND version = $2 AND ($7 OR settings -> 'isPublic' = 'true') RETURNING ${COLUMNS}`,
      [
        id,
        version,
        changes.name ?? null,
        changes.description !== undefined,
        changes.description ?? null,
        changes.settings ?? null,
        !changes.settings?.isPublic || mayPublish(caller),
      ],
    );
    if (rows[0] !== undefined) return present(rows[0]);
    return refuse(tx, id, version, changes.settings?.isPublic ? caller : undefined);
  }).catch(throwRefusal);
  await invalidate(projectTag(id));
  return project;
}

/** @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, VERSION_CONFLICT */
export async function deleteProject(userId: string, id: string, version: number): Promise<void> {
  await asUser(userId, async (tx) => {
    const { rowCount } = await tx.query('DELETE FROM projects WHERE id = $1 AND version = $2', [id, version]);
    if (rowCount === 0) await refuse(tx, id, version);
  }).catch(throwRefusal);
  await invalidate(projectTag(id));
}

/** A public project is seen by every user, also after the API key that made it public is revoked. */
const mayPublish = ({ kind }: Identity) => kind === 'session';

function assertMayPublish(caller: Identity): void {
  if (mayPublish(caller)) return;
  throw new DomainError(
    'Only a signed-in user can make a project public, not an API key.',
    'INSUFFICIENT_SCOPE',
  );
}

async function find(tx: Transaction, id: string): Promise<Project> {
  const { rows } = await tx.query<Row>({
    name: 'project',
    text: `SELECT ${COLUMNS} FROM projects WHERE id = $1`,
    values: [id],
  });
  if (rows[0] === undefined) throw notFound();
  return present(rows[0]);
}

/**
 * Why a project could not be changed: it is not there, no longer at that version, not the user's to change, or private and not
 * for `publisher` to publish.
 */
async function refuse(tx: Transaction, id: string, version: number, publisher?: Identity): Promise<never> {
  const current = await find(tx, id);
  if (publisher !== undefined && !current.settings.isPublic) assertMayPublish(publisher);
  if (current.version !== version) {
    throw new DomainError('The project has changed since you read it. Read it again.', 'VERSION_CONFLICT', {
      expected: version,
      actual: current.version,
    });
  }
  throw forbidden();
}
