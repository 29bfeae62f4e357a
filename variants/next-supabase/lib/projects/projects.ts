import { cached } from '@/lib/cache/cache';
import { pool } from '@/lib/database/pool';
import { asUser, type Transaction } from '@/lib/database/transaction';
import { DomainError } from '@/lib/errors/domain-error';
import { announce, projectTag } from '@/lib/events/project-events';
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

/** The projects of which the user is a member, newest first. */
export async function listProjects(
  userId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<Project>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await asUser(userId, async (tx) => {
    const result = await tx.query<Row>({
      name: after === undefined ? 'projects-first' : 'projects-next',
      text: `SELECT p.* FROM project_members m JOIN projects p ON p.id = m.project_id
        WHERE m.user_id = $1 ${after === undefined ? '' : 'AND (p.created_at, p.id) < ($3, $4)'}
        ORDER BY p.created_at DESC, p.id DESC LIMIT $2`,
      values: [userId, limit + 1, ...(after === undefined ? [] : [after.time, after.id])],
    });
    return result.rows;
  });
  return toPage(rows, limit, (row) => ({ time: new Date(row.created_at), id: row.id }), present);
}

/** Creates a project that the user owns. */
export async function createProject(tx: Transaction, userId: string, input: ProjectInput): Promise<Project> {
  const { rows } = await tx.query<Row>(
    'INSERT INTO projects (user_id, name, description, settings) VALUES ($1, $2, $3, $4) RETURNING *',
    [userId, input.name, input.description, input.settings],
  );
  return present(rows[0] as Row);
}

/** @throws DomainError PROJECT_NOT_FOUND, also where the user may not see it */
export async function getProject(userId: string, id: string): Promise<Project> {
  return cached(`project:${userId}:${id}`, [projectTag(id)], () => readProject(userId, id));
}

/** As a user, in one round trip. */
async function readProject(userId: string, id: string): Promise<Project> {
  const { rows } = await pool().query<Row>({
    name: 'read-project',
    text: 'SELECT * FROM private.read_project($1, $2)',
    values: [userId, id],
  });
  if (rows[0] === undefined) throw notFound();
  return present(rows[0]);
}

/**
 * Changes a project that is still at `version` (optimistic locking).
 *
 * @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, VERSION_CONFLICT
 */
export async function updateProject(
  userId: string,
  id: string,
  version: number,
  changes: ProjectChanges,
): Promise<Project> {
  const project = await asUser(userId, async (tx) => {
    const { rows } = await tx.query<Row>(
      `UPDATE projects SET
         name = coalesce($3, name),
         description = CASE WHEN $4 THEN $5 ELSE description END,
         settings = coalesce($6, settings)
       WHERE id = $1 AND version = $2 RETURNING *`,
      [
        id,
        version,
        changes.name ?? null,
        changes.description !== undefined,
        changes.description ?? null,
        changes.settings ?? null,
      ],
    );
    return rows[0] === undefined ? refuse(tx, id, version) : present(rows[0]);
  });
  await announce({ type: 'project.updated', projectId: id, version: project.version });
  return project;
}

/** @throws DomainError PROJECT_NOT_FOUND, FORBIDDEN, VERSION_CONFLICT */
export async function deleteProject(userId: string, id: string, version: number): Promise<void> {
  await asUser(userId, async (tx) => {
    const { rowCount } = await tx.query('DELETE FROM projects WHERE id = $1 AND version = $2', [id, version]);
    if (rowCount === 0) await refuse(tx, id, version);
  });
  await announce({ type: 'project.deleted', projectId: id });
}

async function find(tx: Transaction, id: string): Promise<Project> {
  const { rows } = await tx.query<Row>({
    name: 'project',
    text: 'SELECT * FROM projects WHERE id = $1',
    values: [id],
  });
  if (rows[0] === undefined) throw notFound();
  return present(rows[0]);
}

/** Why a project could not be changed: it is not there, no longer at that version, or not the user's to change. */
async function refuse(tx: Transaction, id: string, version: number): Promise<never> {
  const current = await find(tx, id);
  if (current.version !== version) {
    throw new DomainError('The project has changed since you read it. Read it again.', 'VERSION_CONFLICT', {
      expected: version,
      actual: current.version,
    });
  }
  throw new DomainError('Your role in this project does not allow that.', 'FORBIDDEN');
}
