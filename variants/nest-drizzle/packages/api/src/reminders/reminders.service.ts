import { notDeleted, reminders, tasks } from '@app/database';
import { EVENTS } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, eq } from 'drizzle-orm';
import { DatabaseService } from '../common/database/database.service.js';
import { OutboxService } from '../events/outbox.service.js';

@Injectable()
export class RemindersService {
  constructor(
    private readonly db: DatabaseService,
    private readonly outbox: OutboxService,
  ) {}

  /**
   * Tells that a task is due, once per task and date. A task that is done or gone, or due at another time by now, is not
   * reminded of; neither is one of a deleted project.
   */
  async remind(taskId: string, dueAt: Date): Promise<void> {
    await this.db.transaction(async () => {
      const [task] = await this.db
        .select()
        .from(tasks)
        .where(and(eq(tasks.id, taskId), notDeleted(tasks)));
      if (task === undefined || task.status === 'done' || task.dueAt?.getTime() !== dueAt.getTime()) return;
      const noted = await this.db
        .insert(reminders)
        .values({ tenantId: this.db.tenantId, taskId, dueAt })
        .onConflictDoNothing()
        .returning({ taskId: reminders.taskId });
      if (noted.length === 0) return;
      const { id, projectId, assigneeId } = task;
      this.outbox.add(EVENTS.taskDue, { id, projectId, assigneeId, dueAt: dueAt.toISOString() }, id);
    });
  }
}
