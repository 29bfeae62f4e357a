import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { VersionConflictError } from '../common/errors/version-conflict.error.js';
import { Database } from '../database/database.js';
import type { Organization } from '../generated/prisma/client.js';

@Injectable()
export class OrganizationsService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** Makes an organization that the user owns. */
  async create(userId: string, name: string): Promise<Organization> {
    const organizationId = uuidv7();
    return this.database.run({ organizationId, userId }, () =>
      this.database.transaction(async (client) => {
        const organization = await client.organization.create({ data: { id: organizationId, name } });
        await client.membership.create({ data: { userId, role: 'OWNER' } });
        await this.audit.record('organization.created', organizationId);
        return organization;
      }),
    );
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
