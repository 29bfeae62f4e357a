import { Inject, Injectable, Logger } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ChangeFeed } from '../common/changes/change-feed.js';
import { Database } from '../database/database.js';
import type { SyncRun } from '../generated/prisma/client.js';
import type { Found, SyncSource } from './sources/sync-source.js';
import { SYNC_SOURCES } from './sources/sync-sources.js';
import { SyncsService } from './syncs.service.js';

/** One part of a sync: what a source has under one parent. */
interface Part {
  readonly source: SyncSource;
  readonly parent: string;
  /** Where a run that is begun again goes on: parts are in the order of this. */
  readonly cursor: string;
}

/**
 * Brings what the database knows of a connection in line with Google, on behalf of jobs. A run keeps how far it is, part by
 * part: one that broke off goes on there. Google's lists cannot be asked for changes alone, so all is read, and what has
 * changed is written.
 */
@Injectable()
export class SyncRunner {
  private readonly logger = new Logger(SyncRunner.name);

  constructor(
    private readonly database: Database,
    private readonly syncs: SyncsService,
    private readonly audit: AuditLog,
    private readonly changes: ChangeFeed,
    @Inject(SYNC_SOURCES) private readonly sources: readonly SyncSource[],
  ) {}

  /** The run of a connection that is under way, or a new one. */
  async begin(connectionId: string): Promise<SyncRun> {
    const { run } = await this.database.transaction(() => this.syncs.open(connectionId));
    return run;
  }

  async sync(run: SyncRun): Promise<void> {
    const { connectionId } = run;
    const parts = await this.partsOf(connectionId);
    for (const part of parts) {
      if (run.cursor !== null && part.cursor <= run.cursor) continue;
      const found = await part.source.read(connectionId, part.parent);
      if (!(await this.store(run, part, found))) return;
    }
    await this.finish(run, parts);
  }

  /**
   * @param failure a stable code
   * @returns false if the run is over, so that the failure does not count
   */
  async fail(id: string, failure: string): Promise<boolean> {
    return this.database.transaction(async (client) => {
      const [run] = await client.syncRun.updateManyAndReturn({
        where: { id, status: 'RUNNING' },
        data: { status: 'FAILED', failure, finishedAt: new Date() },
      });
      if (run === undefined) return false;
      await this.audit.record('sync.failed', id, { connectionId: run.connectionId, failure });
      await this.tell(run);
      return true;
    });
  }

  private async partsOf(connectionId: string): Promise<Part[]> {
    const parts: Part[] = [];
    for (const source of this.sources) {
      for (const parent of await source.parents(connectionId)) {
        parts.push({ source, parent, cursor: `${source.kind} ${parent}` });
      }
    }
    return parts.sort((one, other) => (one.cursor < other.cursor ? -1 : 1));
  }

  /** Writes what has changed in a part, and how far the run is. @returns whether the run still counts */
  private async store(
    run: SyncRun,
    { source, parent, cursor }: Part,
    found: readonly Found[],
  ): Promise<boolean> {
    const { connectionId } = run;
    return this.database.transaction(async (client) => {
      // First, and so under a lock: a worker whose run another one has ended writes nothing.
      const { count } = await client.syncRun.updateMany({
        where: { id: run.id, status: 'RUNNING' },
        data: { cursor },
      });
      if (count === 0) return false;
      const known = new Map(
        (await client.googleResource.findMany({ where: { connectionId, kind: source.kind, parent } })).map(
          (resource) => [resource.path, resource],
        ),
      );
      const fresh = found.filter(({ path }) => !known.has(path));
      const { count: added } = await client.googleResource.createMany({
        data: fresh.map(({ path, name, publicId }) => {
          return { connectionId, kind: source.kind, parent, path, name, publicId };
        }),
        skipDuplicates: true,
      });
      const changed = found.filter(({ path, name, publicId }) => {
        const before = known.get(path);
        return (
          before !== undefined &&
          (before.name !== name || before.publicId !== publicId || before.removedAt !== null)
        );
      });
      for (const { path, name, publicId } of changed) {
        await client.googleResource.updateMany({
          where: { connectionId, path },
          data: { name, publicId, removedAt: null },
        });
      }
      const { count: removed } = await client.googleResource.updateMany({
        where: {
          connectionId,
          kind: source.kind,
          parent,
          removedAt: null,
          path: { notIn: found.map(({ path }) => path) },
        },
        data: { removedAt: new Date() },
      });
      await client.syncRun.updateMany({
        where: { id: run.id },
        data: { itemsSynced: { increment: added + changed.length + removed } },
      });
      await this.tell(run);
      return true;
    });
  }

  /** What was under a parent that the account no longer reaches is gone as well. */
  private async finish(run: SyncRun, parts: readonly Part[]): Promise<void> {
    const { id, connectionId } = run;
    await this.database.transaction(async (client) => {
      const { count } = await client.syncRun.updateMany({
        where: { id, status: 'RUNNING' },
        data: { status: 'SUCCEEDED', cursor: null, finishedAt: new Date() },
      });
      if (count === 0) return;
      const { count: removed } = await client.googleResource.updateMany({
        where: { connectionId, removedAt: null, parent: { notIn: parts.map(({ parent }) => parent) } },
        data: { removedAt: new Date() },
      });
      const { itemsSynced } = await client.syncRun.update({
        where: { id },
        data: { itemsSynced: { increment: removed } },
      });
      await this.audit.record('sync.succeeded', id, { connectionId, itemsSynced });
      await this.tell(run);
      this.logger.log({ syncId: id, connectionId, itemsSynced }, 'synced');
    });
  }

  private async tell({ id }: SyncRun): Promise<void> {
    await this.database.afterCommit(() => this.changes.publish(id));
  }
}
