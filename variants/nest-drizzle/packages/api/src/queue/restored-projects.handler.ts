import { notDeleted, projectExports, reminders, tasks } from '@app/database';
import { type Envelope, EVENTS } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, eq, isNull, lte, ne, sql } from 'drizzle-orm';
import type { z } from 'zod';
import { DatabaseService } from '../common/database/database.service.js';
import type { EventHandler } from '../events/event-handler.js';
import { TasksQueue } from './tasks.queue.js';

const CONTRACTS = [EVENTS.projectRestored] as const;

/**
 * Adds the jobs again that came up while the project was deleted, and did nothing: exports that wait, and reminders of
 * tasks that became due. The project's version is in their ids, since the queue still knows the ids of the first ones.
 */
@Injectable()
export class RestoredProjectsHandler implements EventHandler<(typeof CONTRACTS)[number]> {
  readonly consumer = 'restored-projects';
  readonly contracts = CONTRACTS;
  readonly isRepeatable = true;

  constructor(
    private readonly db: DatabaseService,
    private readonly queue: TasksQueue,
  ) {}

  async handle({
    tenantid: tenantId,
    data: { id: projectId, version },
  }: Envelope & { readonly data: z.output<(typeof CONTRACTS)[number]['data']> }): Promise<void> {
    const waiting = await this.db
      .select({ id: projectExports.id })
      .from(projectExports)
      .where(
        and(
          eq(projectExports.projectId, projectId),
          eq(projectExports.status, 'waiting'),
          notDeleted(projectExports),
        ),
      );
    for (const { id } of waiting)
      await this.queue.add('exportProject', { tenantId, exportId: id }, `${id}-${version}`);

    const overdue = await this.db
      .select({ id: tasks.id, dueAt: tasks.dueAt })
      .from(tasks)
      .leftJoin(reminders, and(eq(reminders.taskId, tasks.id), eq(reminders.dueAt, tasks.dueAt)))
      .where(
        and(
          eq(tasks.projectId, projectId),
          ne(tasks.status, 'done'),
          lte(tasks.dueAt, sql`now()`),
          isNull(reminders.taskId),
          notDeleted(tasks),
        ),
      );
    for (const { id: taskId, dueAt } of overdue) {
      if (dueAt === null) continue;
      const id = `${taskId}-${dueAt.getTime()}-${version}`;
      await this.queue.add('remindOfTask', { tenantId, taskId, dueAt: dueAt.toISOString() }, id);
    }
  }
}
