import { projectStats } from '@app/database';
import { type Envelope, EVENTS } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { DatabaseService } from '../common/database/database.service.js';
import type { EventHandler } from '../events/event-handler.js';

const CONTRACTS = [EVENTS.taskCreated, EVENTS.taskDeleted] as const;

/** Counts a project's tasks as they come and go. Counting twice would be wrong for ever; the inbox sees to it. */
@Injectable()
export class ProjectStatsHandler implements EventHandler<(typeof CONTRACTS)[number]> {
  readonly consumer = 'project-stats';
  readonly contracts = CONTRACTS;

  private readonly add;

  constructor(private readonly db: DatabaseService) {
    const [created, deleted] = [sql.placeholder('created'), sql.placeholder('deleted')];
    const key = { tenantId: sql.placeholder('tenantId'), projectId: sql.placeholder('projectId') };
    this.add = db
      .insert(projectStats)
      .values({ ...key, tasksCreated: created, tasksDeleted: deleted })
      .onConflictDoUpdate({
        target: [projectStats.tenantId, projectStats.projectId],
        set: {
          tasksCreated: sql`${projectStats.tasksCreated} + ${created}`,
          tasksDeleted: sql`${projectStats.tasksDeleted} + ${deleted}`,
          updatedAt: sql`now()`,
        },
      })
      .prepare('project_stats_add');
  }

  async handle({
    type,
    data,
  }: Envelope & { readonly data: z.output<(typeof CONTRACTS)[number]['data']> }): Promise<void> {
    const isNew = type.startsWith(EVENTS.taskCreated.type);
    const { tenantId } = this.db;
    const counts = { created: isNew ? 1 : 0, deleted: isNew ? 0 : 1 };
    await this.add.execute({ tenantId, projectId: data.projectId, ...counts });
  }
}
