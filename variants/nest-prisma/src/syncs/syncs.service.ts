import { Injectable, Logger } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ChangeFeed } from '../common/changes/change-feed.js';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { Database } from '../database/database.js';
import type { SyncRun } from '../generated/prisma/client.js';
import { ReconnectRequiredError } from '../google/google.errors.js';
import { GoogleConnectionsService } from '../google-connections/google-connections.service.js';
import type { ListSyncsQuery } from './dto/list-syncs.query.js';
import { SyncResponse } from './dto/sync-response.dto.js';
import { SyncQueue } from './sync.queue.js';
import { SyncNotFoundError } from './syncs.errors.js';

/** The syncs of the organization's connections, as users see them. What they consist of, jobs do: see `SyncRunner`. */
@Injectable()
export class SyncsService {
  private readonly logger = new Logger(SyncsService.name);

  constructor(
    private readonly database: Database,
    private readonly connections: GoogleConnectionsService,
    private readonly audit: AuditLog,
    private readonly changes: ChangeFeed,
    private readonly queue: SyncQueue,
  ) {}

  /**
   * Asks for a sync now. Where one is under way, that is the one.
   *
   * @throws ConnectionNotFoundError, ReconnectRequiredError
   */
  async start(connectionId: string): Promise<SyncRun> {
    const { status } = await this.connections.get(connectionId);
    if (status !== 'CONNECTED') throw new ReconnectRequiredError(connectionId);
    return this.database.transaction(async () => {
      const { run, isNew } = await this.open(connectionId);
      if (isNew) await this.audit.record('sync.started', run.id, { connectionId });
      await this.database.afterCommit(async () => {
        await this.changes.publish(run.id);
        await this.queue
          .add(run)
          .catch((error) => this.logger.warn({ err: error, syncId: run.id }, 'no job was added yet'));
      });
      return run;
    });
  }

  /** The run of a connection that is under way, or a new one. */
  async open(connectionId: string): Promise<{ run: SyncRun; isNew: boolean }> {
    const { syncRun } = this.database.client;
    // Not a failed INSERT, which would end the transaction that is open.
    const { count } = await syncRun.createMany({ data: { connectionId }, skipDuplicates: true });
    const run = await syncRun.findFirstOrThrow({
      where: { connectionId, status: 'RUNNING' },
    });
    return { run, isNew: count > 0 };
  }

  /** @throws SyncNotFoundError */
  async get(id: string): Promise<SyncRun> {
    const run = await this.database.client.syncRun.findUnique({ where: { id } });
    if (run === null) throw new SyncNotFoundError(id);
    return run;
  }

  async list({ limit, cursor, sort, connectionId, status }: ListSyncsQuery): Promise<Page<SyncResponse>> {
    const keyset = new Keyset(sort, limit);
    const runs = await this.database.client.syncRun.findMany({
      where: { connectionId, status, AND: [keyset.after(cursor)] },
      ...keyset.arguments,
    });
    return keyset.page(runs, SyncResponse.of);
  }
}
