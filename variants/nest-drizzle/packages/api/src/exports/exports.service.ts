import { notDeleted, projectExports, projects, tasks } from '@app/database';
import { EVENTS, type ExportContent, type ProjectExport, type Task } from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG } from '../common/config/config.module.js';
import { DatabaseService } from '../common/database/database.service.js';
import type { Config } from '../config/config.js';
import { OutboxService } from '../events/outbox.service.js';
import { ProjectsService } from '../projects/projects.service.js';
import { presentTask } from '../tasks/tasks.service.js';
import { ExportNotFoundError } from './exports.errors.js';

/** Tasks that are read at a time. */
const BATCH = 500;

/** Longer than a job is tried: an export that waits for longer has none, and another one may be asked for. */
const ABANDONED_MS = 15 * 60 * 1_000;

type Row = typeof projectExports.$inferSelect;

/** The exports of a deleted project are gone until it is restored. */
const IS_THERE = notDeleted(projectExports);

@Injectable()
export class ExportsService {
  constructor(
    private readonly db: DatabaseService,
    private readonly outbox: OutboxService,
    private readonly projects: ProjectsService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Asks for an export; a job makes it. While one of the project waits, that one is returned, so that nobody has the same
   * made many times at once. One that a job is making is locked: it may lack what has changed since the job began.
   *
   * @throws ProjectNotFoundError
   */
  async request(projectId: string): Promise<ProjectExport> {
    return this.db.transaction(async () => {
      // Parallel requests wait for each other here.
      await this.db
        .select({ id: projects.id })
        .from(projects)
        .where(eq(projects.id, projectId))
        .for('no key update');
      await this.projects.get(projectId);
      const [waiting] = await this.db
        .select()
        .from(projectExports)
        .where(
          and(
            eq(projectExports.projectId, projectId),
            eq(projectExports.status, 'waiting'),
            gt(projectExports.createdAt, new Date(Date.now() - ABANDONED_MS)),
          ),
        )
        .limit(1)
        .for('update', { skipLocked: true });
      if (waiting !== undefined) return present(waiting);
      const row = { tenantId: this.db.tenantId, id: uuidv7(), projectId, status: 'waiting' as const };
      const [created] = await this.db.insert(projectExports).values(row).returning();
      this.outbox.add(EVENTS.exportRequested, { id: row.id }, row.id);
      return present(created as Row);
    });
  }

  /** @throws ExportNotFoundError */
  async get(id: string): Promise<ProjectExport> {
    const [row] = await this.db
      .select()
      .from(projectExports)
      .where(and(eq(projectExports.id, id), IS_THERE));
    if (row === undefined) throw new ExportNotFoundError(id);
    return present(row);
  }

  /**
   * Makes an export that waits. One that is made, or was never asked for, is left as it is: jobs may come twice. That of a
   * deleted project waits on: a job of the restored project makes it.
   */
  async make(id: string): Promise<void> {
    await this.db.transaction(async () => {
      const [waiting] = await this.db
        .select()
        .from(projectExports)
        .where(and(eq(projectExports.id, id), eq(projectExports.status, 'waiting'), IS_THERE))
        .for('update');
      if (waiting === undefined) return;
      const content = await this.collect(waiting.projectId);
      const outcome =
        content === undefined
          ? ({
              status: 'failed',
              error: `The export is larger than ${this.config.EXPORT_MAX_BYTES} bytes.`,
            } as const)
          : ({ status: 'done', content } as const);
      await this.db
        .update(projectExports)
        .set({ ...outcome, updatedAt: new Date() })
        .where(eq(projectExports.id, id));
    });
  }

  /** Ends an export whose job will not run again. */
  async fail(id: string): Promise<void> {
    await this.db
      .update(projectExports)
      .set({
        status: 'failed',
        error: 'The export could not be made. Request another one.',
        updatedAt: new Date(),
      })
      .where(and(eq(projectExports.id, id), eq(projectExports.status, 'waiting')));
  }

  /** Reads batch by batch, so that memory is bounded. Returns undefined beyond EXPORT_MAX_BYTES. */
  private async collect(projectId: string): Promise<ExportContent | undefined> {
    const project = await this.projects.get(projectId);
    const content: Task[] = [];
    let bytes = 0;
    for (let last: Task | undefined, size = BATCH; size === BATCH; last = content.at(-1)) {
      const rows = await this.db
        .select()
        .from(tasks)
        .where(
          and(
            eq(tasks.projectId, projectId),
            last && sql`(${tasks.createdAt}, ${tasks.id}) > (${last.createdAt}, ${last.id})`,
          ),
        )
        .orderBy(asc(tasks.createdAt), asc(tasks.id))
        .limit(BATCH);
      size = rows.length;
      for (const task of rows.map(presentTask)) {
        bytes += Buffer.byteLength(JSON.stringify(task));
        if (bytes > this.config.EXPORT_MAX_BYTES) return undefined;
        content.push(task);
      }
    }
    return { project, tasks: content };
  }
}

function present({ id, projectId, status, content, error, createdAt, updatedAt }: Row): ProjectExport {
  return {
    id,
    projectId,
    status,
    content,
    error,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
