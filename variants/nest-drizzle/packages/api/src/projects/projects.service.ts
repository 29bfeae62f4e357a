import { projects } from '@app/database';
import { type CreateProject, EVENTS, type ListProjects, type Project, type UpdateProject } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, asc, eq, ilike, isNotNull, isNull, type SQL, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { DatabaseService } from '../common/database/database.service.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { VersionConflictError } from '../common/errors/version-conflict.error.js';
import { decodeCursor } from '../common/pagination/cursor.js';
import { type Page, toPage } from '../common/pagination/page.js';
import { OutboxService } from '../events/outbox.service.js';
import { ProjectNameTakenError, ProjectNotFoundError } from './projects.errors.js';

type Row = typeof projects.$inferSelect;

@Injectable()
export class ProjectsService {
  // What is read most is built once: building a statement takes Drizzle longer than all else that it does for a read.
  private readonly byId;
  private readonly firstPage;

  constructor(
    private readonly db: DatabaseService,
    private readonly outbox: OutboxService,
  ) {
    this.byId = db
      .select()
      .from(projects)
      .where(and(eq(projects.id, sql.placeholder('id')), isNull(projects.deletedAt)))
      .prepare('project_by_id');
    this.firstPage = this.sorted().limit(sql.placeholder('limit')).prepare('projects_first_page');
  }

  /** @throws ProjectNameTakenError */
  async create(input: CreateProject): Promise<Project> {
    const row = { tenantId: this.db.tenantId, id: uuidv7(), ...input };
    return this.db.transaction(async () => {
      const [created] = await uniqueName(input.name, () => this.db.insert(projects).values(row).returning());
      const project = present(created as Row);
      this.outbox.add(EVENTS.projectCreated, project, project.id);
      return project;
    });
  }

  /** @throws ProjectNotFoundError */
  async get(id: string): Promise<Project> {
    const [row] = await this.byId.execute({ id });
    if (row === undefined) throw new ProjectNotFoundError(id);
    return present(row);
  }

  /** By creation. */
  async list({ limit, cursor, q }: ListProjects): Promise<Page<Project>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    const filters = [
      q === undefined ? undefined : ilike(projects.name, `%${escapeLike(q)}%`),
      after === undefined
        ? undefined
        : sql`(${projects.createdAt}, ${projects.id}) > (${after.time.toISOString()}, ${after.id})`,
    ];
    const rows = filters.every((filter) => filter === undefined)
      ? await this.firstPage.execute({ limit: limit + 1 })
      : await this.sorted(and(...filters)).limit(limit + 1);
    return toPage(rows, limit, ({ createdAt, id }) => ({ time: createdAt, id }), present);
  }

  /**
   * Changes a project that is still at `version` (optimistic locking).
   *
   * @throws ProjectNotFoundError, VersionConflictError, ProjectNameTakenError
   */
  async update(id: string, version: number, changes: UpdateProject): Promise<Project> {
    return this.db.transaction(async () => {
      const [updated] = await uniqueName(changes.name, () =>
        this.db
          .update(projects)
          .set({ ...changes, version: version + 1, updatedAt: new Date() })
          .where(and(eq(projects.id, id), eq(projects.version, version), isNull(projects.deletedAt)))
          .returning(),
      );
      if (updated === undefined) return this.refuse(id, version);
      const project = present(updated);
      this.outbox.add(EVENTS.projectUpdated, project, id);
      return project;
    });
  }

  /**
   * Marks a project as deleted; its name is free again.
   *
   * @throws ProjectNotFoundError, VersionConflictError
   */
  async remove(id: string, version: number): Promise<void> {
    await this.db.transaction(async () => {
      const [deleted] = await this.db
        .update(projects)
        .set({ deletedAt: new Date(), version: version + 1 })
        .where(and(eq(projects.id, id), eq(projects.version, version), isNull(projects.deletedAt)))
        .returning({ id: projects.id });
      if (deleted === undefined) return this.refuse(id, version);
      this.outbox.add(EVENTS.projectDeleted, deleted, id);
    });
  }

  /**
   * Restores a deleted project with its tasks and exports. One that is not deleted is returned as it is.
   *
   * @throws ProjectNotFoundError, ProjectNameTakenError
   */
  async restore(id: string): Promise<Project> {
    return this.db.transaction(async () => {
      const [restored] = await uniqueName(undefined, () =>
        this.db
          .update(projects)
          .set({ deletedAt: null, version: sql`${projects.version} + 1`, updatedAt: new Date() })
          .where(and(eq(projects.id, id), isNotNull(projects.deletedAt)))
          .returning(),
      );
      if (restored === undefined) return this.get(id);
      const project = present(restored);
      this.outbox.add(EVENTS.projectRestored, project, id);
      return project;
    });
  }

  private sorted(filter?: SQL) {
    return this.db
      .select()
      .from(projects)
      .where(and(isNull(projects.deletedAt), filter))
      .orderBy(asc(projects.createdAt), asc(projects.id));
  }

  /** Why a project could not be changed: it is not there, or no longer at that version. */
  private async refuse(id: string, version: number): Promise<never> {
    await this.get(id);
    throw new VersionConflictError('project', id, version);
  }
}

function present({ id, name, description, version, createdAt, updatedAt }: Row): Project {
  return {
    id,
    name,
    description,
    version,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

async function uniqueName<Result>(
  name: string | undefined,
  write: () => PromiseLike<Result>,
): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    if (violatedConstraint(error) === 'projects_name_key') throw new ProjectNameTakenError(name);
    throw error;
  }
}

/** `%`, `_` and `\` stand for themselves. */
function escapeLike(text: string): string {
  return text.replace(/[\\_%]/g, '\\$&');
}
