import { z } from 'zod';
import { id, time } from '@/lib/api/schemas';
import { invalidate } from '@/lib/cache/cache';
import { asUser, type Transaction } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import { DomainError } from '@/lib/errors/domain-error';
import { sqlState, violatedConstraint } from '@/lib/errors/sql-state';
import { projectTag } from '@/lib/events/project-events';
import { decodeCursor } from '@/lib/pagination/cursor';
import { type Page, toPage } from '@/lib/pagination/page';

type Row = Tables<'project_members'>;

const COLUMNS = 'project_id, user_id, role, created_at';

/** The roles that can be given; a project has one owner, who created it. */
const role = z.enum(['viewer', 'editor', 'admin']);

export const memberInput = z.strictObject({ userId: id, role: role.default('viewer') });
export const memberChanges = z.strictObject({ role });
export const memberParams = z.strictObject({ id, userId: id });

export const member = z
  .strictObject({
    userId: z.uuid(),
    role: z.enum(['viewer', 'editor', 'admin', 'owner']),
    createdAt: time,
  })
  .meta({ id: 'Member' });

export type Member = Readonly<z.output<typeof member>>;

const present = (row: Row): Member => ({ userId: row.user_id, role: row.role, createdAt: row.created_at });

const forbidden = () => new DomainError('Your role in this project does not allow that.', 'FORBIDDEN');

/** The members of a project, those who joined first at the top. @throws DomainError PROJECT_NOT_FOUND */
export async function listMembers(
  userId: string,
  projectId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<Member>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await asUser(userId, async (tx) => {
    await assertMember(tx, userId, projectId);
    const result = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM project_members
       WHERE project_id = $1 ${after === undefined ? '' : 'AND (created_at, user_id) > ($3, $4)'}
       ORDER BY created_at, user_id LIMIT $2`,
      [projectId, limit + 1, ...(after === undefined ? [] : [after.time, after.id])],
    );
    return result.rows;
  });
  return toPage(rows, limit, (row) => ({ time: new Date(row.created_at), id: row.user_id }), present);
}

/** @throws DomainError PROJECT_NOT_FOUND, USER_NOT_FOUND, MEMBER_EXISTS, FORBIDDEN */
export async function addMember(
  userId: string,
  projectId: string,
  input: z.output<typeof memberInput>,
): Promise<Member> {
  const member = await asUser(userId, async (tx) => {
    await lockRole(tx, projectId);
    try {
      const { rows } = await tx.query<Row>(
        `INSERT INTO project_members (project_id, user_id, role) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`,
        [projectId, input.userId, input.role],
      );
      return present(rows[0] as Row);
    } catch (error) {
      if (sqlState(error) === '42501') throw forbidden();
      if (violatedConstraint(error) === 'project_members_pkey') {
        throw new DomainError('The user is a member of this project already.', 'MEMBER_EXISTS');
      }
      if (violatedConstraint(error) === 'project_members_user_id_fkey') {
        throw new DomainError('There is no such user.', 'USER_NOT_FOUND');
      }
      throw error;
    }
  });
  await invalidate(projectTag(projectId));
  return member;
}

/** @throws DomainError PROJECT_NOT_FOUND, MEMBER_NOT_FOUND, FORBIDDEN */
export async function changeMember(
  userId: string,
  projectId: string,
  memberId: string,
  changes: z.output<typeof memberChanges>,
): Promise<Member> {
  const member = await asUser(userId, async (tx) => {
    await lockRole(tx, projectId);
    const { rows } = await tx.query<Row>(
      `UPDATE project_members SET role = $3 WHERE project_id = $1 AND user_id = $2 RETURNING ${COLUMNS}`,
      [projectId, memberId, changes.role],
    );
    return rows[0] === undefined ? refuse(tx, projectId, memberId) : present(rows[0]);
  });
  await invalidate(projectTag(projectId));
  return member;
}

/** Removes a member, or lets one leave. @throws DomainError PROJECT_NOT_FOUND, MEMBER_NOT_FOUND, FORBIDDEN */
export async function removeMember(userId: string, projectId: string, memberId: string): Promise<void> {
  await asUser(userId, async (tx) => {
    await lockRole(tx, projectId);
    const { rowCount } = await tx.query(
      'DELETE FROM project_members WHERE project_id = $1 AND user_id = $2',
      [projectId, memberId],
    );
    if (rowCount === 0) await refuse(tx, projectId, memberId);
  });
  await invalidate(projectTag(projectId));
}

/** A project that is public is seen by everybody, and its members are not. @throws DomainError PROJECT_NOT_FOUND */
export async function assertMember(tx: Transaction, userId: string, projectId: string): Promise<void> {
  const { rowCount } = await tx.query('SELECT FROM project_members WHERE project_id = $1 AND user_id = $2', [
    projectId,
    userId,
  ]);
  if (rowCount === 0) throw new DomainError('There is no such project.', 'PROJECT_NOT_FOUND');
}

/** The user's role in a project, for reads. @throws DomainError PROJECT_NOT_FOUND where the user is no member */
export async function readRole(tx: Transaction, userId: string, projectId: string): Promise<Member['role']> {
  const { rows } = await tx.query<Pick<Row, 'role'>>(
    'SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2',
    [projectId, userId],
  );
  if (rows[0] === undefined) throw new DomainError('There is no such project.', 'PROJECT_NOT_FOUND');
  return rows[0].role;
}

/**
 * The user's role in a project, which nobody changes until the transaction ends. Policies decide by what was committed when a
 * statement began: without the lock a write could be committed after the demotion of its author.
 *
 * @throws DomainError PROJECT_NOT_FOUND where the user is no member
 */
export async function lockRole(tx: Transaction, projectId: string): Promise<Member['role']> {
  const { rows } = await tx.query<{ role: Member['role'] | null }>('SELECT private.lock_role($1) AS role', [
    projectId,
  ]);
  const role = rows[0]?.role;
  if (!role) throw new DomainError('There is no such project.', 'PROJECT_NOT_FOUND');
  return role;
}

async function refuse(tx: Transaction, projectId: string, memberId: string): Promise<never> {
  const { rowCount } = await tx.query('SELECT FROM project_members WHERE project_id = $1 AND user_id = $2', [
    projectId,
    memberId,
  ]);
  if (rowCount === 0) throw new DomainError('There is no such member in this project.', 'MEMBER_NOT_FOUND');
  throw forbidden();
}
