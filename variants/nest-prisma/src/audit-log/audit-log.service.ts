import { Injectable, Logger } from '@nestjs/common';
import { requestContext } from '../common/logging/logger.js';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { Database } from '../database/database.js';
import type { Prisma } from '../generated/prisma/client.js';
import { AuditLogEntry, type ListAuditLogQuery } from './dto/audit-log.dto.js';

/** Who did what to which row of the organization. */
@Injectable()
export class AuditLog {
  private readonly logger = new Logger(AuditLog.name);

  constructor(private readonly database: Database) {}

  /**
   * Writes a line, in the transaction of what it tells of.
   *
   * @param action e.g. `customer.created`
   * @param changes what changed, as it is now; no secret and no personal data
   */
  async record(action: string, entityId: string, changes: Prisma.InputJsonObject = {}): Promise<void> {
    const requestId = requestContext.getStore()?.requestId ?? null;
    await this.database.client.auditLog.create({ data: { action, entityId, changes, requestId } });
    this.logger.log({ action, entityId, organizationId: this.database.scope.organizationId }, 'audit');
  }

  /** The latest first. */
  async list({ limit, cursor, entityId }: ListAuditLogQuery): Promise<Page<AuditLogEntry>> {
    const keyset = new Keyset<'createdAt'>('-createdAt', limit);
    const lines = await this.database.client.auditLog.findMany({
      where: { entityId, AND: [keyset.after(cursor)] },
      ...keyset.arguments,
    });
    return keyset.page(lines, AuditLogEntry.of);
  }
}

/** The members that a wish names; those that were left out of a DTO are there as undefined. */
export function membersOf(wish: object): string[] {
  return Object.entries(wish)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
}
