import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ForbiddenError } from '../auth/auth.errors.js';
import { includesRole, type Role } from '../auth/principal.js';
import { Database } from '../database/database.js';
import type { IsolatedTransaction } from '../database/prisma-client.js';
import type { InvitationResponse, MemberResponse, MembersResponse } from './dto/members.dto.js';
import { InvitationNotFoundError, LastOwnerError, MemberNotFoundError } from './members.errors.js';

/** Who takes part in the organization that the code runs for. Nobody gives or takes a role above their own. */
@Injectable()
export class MembersService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  async list(): Promise<MembersResponse> {
    const { membership, invitation } = this.database.client;
    const [members, invitations] = await Promise.all([
      membership.findMany({
        include: { user: true },
        orderBy: [{ createdAt: 'asc' }, { userId: 'asc' }],
      }),
      invitation.findMany({ orderBy: [{ createdAt: 'asc' }, { email: 'asc' }] }),
    ]);
    return {
      members: members.map(({ userId, role, createdAt, user: { email, name } }): MemberResponse => {
        return { userId, email, name, role, createdAt };
      }),
      invitations: invitations.map(({ email, role, createdAt }) => ({ email, role, createdAt })),
    };
  }

  /** Whoever signs in with the address becomes a member. Inviting again changes the role. @throws ForbiddenError */
  async invite(actor: Role, address: string, role: Role): Promise<InvitationResponse> {
    assertMayHandle(actor, role);
    const email = address.toLowerCase();
    const { organizationId } = this.database.scope;
    return this.database.transaction(async (client) => {
      const { createdAt } = await client.invitation.upsert({
        where: { organizationId_email: { organizationId, email } },
        create: { email, role },
        update: { role },
      });
      await this.audit.record('member.invited', organizationId, { role });
      return { email, role, createdAt };
    });
  }

  /** @throws InvitationNotFoundError */
  async withdraw(address: string): Promise<void> {
    await this.database.transaction(async (client) => {
      const { count } = await client.invitation.deleteMany({ where: { email: address.toLowerCase() } });
      if (count === 0) throw new InvitationNotFoundError();
      await this.audit.record('member.invitation-withdrawn', this.database.scope.organizationId);
    });
  }

  /** @throws MemberNotFoundError, ForbiddenError, LastOwnerError */
  async changeRole(actor: Role, userId: string, role: Role): Promise<void> {
    assertMayHandle(actor, role);
    await this.change(actor, userId, role, async (client) => {
      await client.membership.updateMany({ where: { userId }, data: { role } });
      await this.audit.record('member.role-changed', userId, { role });
    });
  }

  /** @throws MemberNotFoundError, ForbiddenError, LastOwnerError */
  async remove(actor: Role, userId: string): Promise<void> {
    await this.change(actor, userId, null, async (client) => {
      await client.membership.deleteMany({ where: { userId } });
      await this.audit.record('member.removed', userId);
    });
  }

  /**
   * Serializable: of two owners who take the role from each other at the same moment, the second finds that it would be the
   * last one.
   */
  private async change(
    actor: Role,
    userId: string,
    next: Role | null,
    work: (client: IsolatedTransaction) => Promise<void>,
  ): Promise<void> {
    await this.database.transaction(
      async (client) => {
        const member = await client.membership.findFirst({ where: { userId } });
        if (member === null) throw new MemberNotFoundError(userId);
        assertMayHandle(actor, member.role);
        if (member.role === 'OWNER' && next !== 'OWNER') {
          const others = await client.membership.count({ where: { role: 'OWNER', userId: { not: userId } } });
          if (others === 0) throw new LastOwnerError();
        }
        await work(client);
      },
      { isolationLevel: 'Serializable' },
    );
  }
}

function assertMayHandle(actor: Role, role: Role): void {
  if (!includesRole(actor, role)) throw new ForbiddenError(`members with the role ${role}`);
}
