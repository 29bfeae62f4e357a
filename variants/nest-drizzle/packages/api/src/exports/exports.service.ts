import { projectExports, tasks } from '@app/database';
import { EVENTS, type ProjectExport } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, asc, eq } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { DatabaseService } from '../common/database/database.service.js';
import { OutboxService } from '../events/outbox.service.js';
import { ProjectNotFoundError } from '../projects/projects.errors.js';
import { ProjectsService } from '../projects/projects.service.js';
import { presentTask } from '../tasks/tasks.service.js';
import { ExportNotFoundError } from './exports.errors.js';

type Row = typeof projectExports.$inferSelect;

@Injectable()
export class ExportsService {
  constructor(
    private readonly db: DatabaseService,
    private readonly outbox: OutboxService,
    private readonly projects: ProjectsService,
  ) {}

  /** Asks for an export; a job makes it. @throws ProjectNotFoundError */
  async request(projectId: string): Promise<ProjectExport> {
    return this.db.transaction(async () => {
      await this.projects.get(projectId);
      const row = { tenantId: this.db.tenantId, id: uuidv7(), projectId, status: 'waiting' as const };
      const [created] = await this.db.insert(projectExports).values(row).returning();
      this.outbox.add(EVENTS.exportRequested, { id: row.id }, row.id);
      return present(created as Row);
    });
  }

  /** @throws ExportNotFoundError */
  async get(id: string): Promise<ProjectExport> {
    const [row] = await this.db.select().from(projectExports).where(eq(projectExports.id, id));
    if (row === undefined) throw new ExportNotFoundError(id);
    return present(row);
  }

  /** Makes an export that waits. One that is made, or was never asked for, is left as it is: jobs may come twice. */
  async make(id: string): Promise<void> {
    await this.db.transaction(async () => {
      const [waiting] = await this.db
        .select()
        .from(projectExports)
        .where(and(eq(projectExports.id, id), eq(projectExports.status, 'waiting')))
        .for('update');
      if (waiting === undefined) return;
      await this.db
        .update(projectExports)
        .set({ ...(await this.collect(waiting.projectId)), updatedAt: new Date() })
        .where(eq(projectExports.id, id));
    });
  }

  private async collect(projectId: string): Promise<Partial<Row>> {
    try {
      const project = await this.projects.get(projectId);
      const rows = await this.db
        .select()
        .from(tasks)
        .where(eq(tasks.projectId, projectId))
        .orderBy(asc(tasks.createdAt), asc(tasks.id));
      return { status: 'done', content: { project, tasks: rows.map(presentTask) } };
    } catch (error) {
      if (!(error instanceof ProjectNotFoundError)) throw error;
      return { status: 'failed', error: error.message };
    }
  }
}

function present({ id, projectId, status, content, createdAt, updatedAt }: Row): ProjectExport {
  return {
    id,
    projectId,
    status,
    content,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
