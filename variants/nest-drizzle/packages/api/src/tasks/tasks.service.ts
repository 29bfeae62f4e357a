import { notDeleted, tasks } from '@app/database';
import { type CreateTask, EVENTS, type ListTasks, type Task, type UpdateTask } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, asc, eq, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { DatabaseService } from '../common/database/database.service.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { VersionConflictError } from '../common/errors/version-conflict.error.js';
import { decodeCursor } from '../common/pagination/cursor.js';
import { type Page, toPage } from '../common/pagination/page.js';
import { OutboxService } from '../events/outbox.service.js';
import { MemberNotFoundError } from '../members/members.errors.js';
import { ProjectNotFoundError } from '../projects/projects.errors.js';
import { ProjectsService } from '../projects/projects.service.js';
import { TaskNotFoundError } from './tasks.errors.js';

type Row = typeof tasks.$inferSelect;

/** The tasks of a deleted project are gone until it is restored. */
const IS_THERE = notDeleted(tasks);

@Injectable()
export class TasksService {
  constructor(
    private readonly db: DatabaseService,
    private readonly outbox: OutboxService,
    private readonly projects: ProjectsService,
  ) {}

  /** @throws ProjectNotFoundError, MemberNotFoundError */
  async create({ dueAt, ...input }: CreateTask): Promise<Task> {
    return this.db.transaction(async () => {
      const row = { tenantId: this.db.tenantId, id: uuidv7(), dueAt: toDate(dueAt), ...input };
      const [, [created]] = await Promise.all([
        this.projects.get(input.projectId), // a deleted one still satisfies the foreign key
        knownReferences(input, () => this.db.insert(tasks).values(row).returning()),
      ]);
      const task = presentTask(created as Row);
      this.outbox.add(EVENTS.taskCreated, task, task.id);
      return task;
    });
  }

  /** @throws TaskNotFoundError */
  async get(id: string): Promise<Task> {
    const [row] = await this.db
      .select()
      .from(tasks)
      .where(and(eq(tasks.id, id), IS_THERE));
    if (row === undefined) throw new TaskNotFoundError(id);
    return presentTask(row);
  }

  /** By creation. */
  async list({ limit, cursor, projectId, assigneeId, status, type }: ListTasks): Promise<Page<Task>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    const rows = await this.db
      .select()
      .from(tasks)
      .where(
        and(
          IS_THERE,
          projectId === undefined ? undefined : eq(tasks.projectId, projectId),
          assigneeId === undefined ? undefined : eq(tasks.assigneeId, assigneeId),
          status === undefined ? undefined : eq(tasks.status, status),
          type === undefined ? undefined : eq(tasks.type, type),
          after === undefined
            ? undefined
            : sql`(${tasks.createdAt}, ${tasks.id}) > (${after.time.toISOString()}, ${after.id})`,
        ),
      )
      .orderBy(asc(tasks.createdAt), asc(tasks.id))
      .limit(limit + 1);
    return toPage(rows, limit, ({ createdAt, id }) => ({ time: createdAt, id }), presentTask);
  }

  /**
   * Changes a task that is still at `version` (optimistic locking).
   *
   * @throws TaskNotFoundError, VersionConflictError, ProjectNotFoundError, MemberNotFoundError
   */
  async update(id: string, version: number, { dueAt, ...changes }: UpdateTask): Promise<Task> {
    return this.db.transaction(async () => {
      if (changes.projectId !== undefined) await this.projects.get(changes.projectId);
      const [updated] = await knownReferences(changes, () =>
        this.db
          .update(tasks)
          .set({
            ...changes,
            ...(dueAt !== undefined && { dueAt: toDate(dueAt) }),
            version: version + 1,
            updatedAt: new Date(),
          })
          .where(and(eq(tasks.id, id), eq(tasks.version, version), IS_THERE))
          .returning(),
      );
      if (updated === undefined) {
        await this.get(id);
        throw new VersionConflictError('task', id, version);
      }
      const task = presentTask(updated);
      this.outbox.add(EVENTS.taskUpdated, task, task.id);
      return task;
    });
  }

  /** @throws TaskNotFoundError, VersionConflictError */
  async remove(id: string, version: number): Promise<void> {
    await this.db.transaction(async () => {
      const [deleted] = await this.db
        .delete(tasks)
        .where(and(eq(tasks.id, id), eq(tasks.version, version), IS_THERE))
        .returning({ id: tasks.id, projectId: tasks.projectId });
      if (deleted === undefined) {
        await this.get(id);
        throw new VersionConflictError('task', id, version);
      }
      this.outbox.add(EVENTS.taskDeleted, deleted, id);
    });
  }
}

export function presentTask(row: typeof tasks.$inferSelect): Task {
  const { id, projectId, title, type, status, assigneeId, dueAt, metadata, version, createdAt, updatedAt } =
    row;
  return {
    id,
    projectId,
    title,
    type,
    status,
    assigneeId,
    dueAt: dueAt?.toISOString() ?? null,
    metadata: metadata as Task['metadata'],
    version,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

function toDate(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

/** Turns a broken foreign key into the name of what is not there, whether it is nowhere or another tenant's. */
async function knownReferences<Result>(
  { projectId = '', assigneeId }: { projectId?: string; assigneeId?: string | null },
  write: () => PromiseLike<Result>,
): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    const constraint = violatedConstraint(error);
    if (constraint === 'tasks_project_fkey') throw new ProjectNotFoundError(projectId);
    if (constraint === 'tasks_assignee_fkey') throw new MemberNotFoundError(assigneeId ?? '');
    throw error;
  }
}
