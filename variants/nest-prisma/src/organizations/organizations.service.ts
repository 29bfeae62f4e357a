import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditLog } from '../audit-log/audit-log.service.js';
import type { Identity } from '../auth/principal.js';
import { VersionConflictError } from '../common/errors/version-conflict.error.js';
import { Database } from '../database/database.js';
import { type Organization, Prisma } from '../generated/prisma/client.js';
import { TooManyOrganizationsError } from './organizations.errors.js';

/** The memberships of a person are read with each new token. */
const MEMBERSHIPS_MAX = 100;

@Injectable()
export class OrganizationsService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** Makes an organization that the person owns. @throws TooManyOrganizationsError */
  async create({ userId }: Identity, name: string): Promise<Organization> {
    const organizationId = uuidv7();
    return this.database.run({ organizationId, userId }, () =>
      this.database.transaction(async (client) => {
        await this.assertBelowLimit(userId);
        const organization = await client.organization.create({ data: { id: organizationId, name } });
        await client.membership.create({ data: { userId, role: 'OWNER' } });
        await this.audit.record('organization.created', organizationId);
        return organization;
      }),
    );
  }

  /**
   * Lets a person create one organization at a time, so that the limit holds for parallel requests. Row-level security shows a
   * person's own memberships in all organizations.
   */
  private async assertBelowLimit(userId: string): Promise<void> {
    // In a statement of its own: the next one sees what was committed before the lock was free.
    await this.database.sql(
      (organizationId) =>
        Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended(${userId}, 0))::text WHERE ${organizationId} <> ''`,
    );
    const memberships = await this.database.sql(
      (organizationId) => Prisma.sql`
        SELECT organization_id FROM memberships
         WHERE user_id = ${userId}::uuid AND organization_id <> ${organizationId}::uuid LIMIT ${MEMBERSHIPS_MAX}`,
    );
    if (memberships.length >= MEMBERSHIPS_MAX) throw new TooManyOrganizationsError(MEMBERSHIPS_MAX);
  }

  /** The organization that the code runs for. */
  async current(): Promise<Organization> {
    return this.database.client.organization.findFirstOrThrow();
  }

  /** @throws VersionConflictError */
  async rename(version: number, name: string): Promise<Organization> {
    return this.database.transaction(async (client) => {
      const [organization] = await client.organization.updateManyAndReturn({
        where: { version },
        data: { name, version: { increment: 1 } },
      });
      const { organizationId } = this.database.scope;
      if (organization === undefined) throw new VersionConflictError(organizationId, version);
      await this.audit.record('organization.updated', organizationId, { members: ['name'] });
      return organization;
    });
  }
}
