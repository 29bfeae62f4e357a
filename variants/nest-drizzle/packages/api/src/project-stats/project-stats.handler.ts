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

  constructor(private readonly db: DatabaseService) {}

  async handle({
    type,
    data,
  }: Envelope & { readonly data: z.output<(typeof CONTRACTS)[number]['data']> }): Promise<void> {
    const isNew = type.startsWith(EVENTS.taskCreated.type);
    const counts = { tasksCreated: isNew ? 1 : 0, tasksDeleted: isNew ? 0 : 1 };
    await this.db
      .insert(projectStats)
      .values({ tenantId: this.db.tenantId, projectId: data.projectId, ...counts })
      .onConflictDoUpdate({
        target: [projectStats.tenantId, projectStats.projectId],
        set: {
          tasksCreated: sql`${projectStats.tasksCreated} + ${counts.tasksCreated}`,
          tasksDeleted: sql`${projectStats.tasksDeleted} + ${counts.tasksDeleted}`,
          updatedAt: new Date(),
        },
      });
  }
}
