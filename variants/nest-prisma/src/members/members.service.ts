import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { ForbiddenError } from '../auth/auth.errors.js';
import { includesRole, RANKS, type Role } from '../auth/principal.js';
import { Database } from '../database/database.js';
import type { IsolatedTransaction } from '../database/prisma-client.js';
import type { InvitationResponse, MemberResponse, MembersResponse } from './dto/members.dto.js';
import {
  InvitationNotFoundError,
  LastOwnerError,
  MemberNotFoundError,
  TooManyInvitationsError,
} from './members.errors.js';

/** Each change holds the locks of all memberships, so the roles that it reads are those that it commits with. */
const LOCKED = { locksMembers: true };

/** Pending invitations of an organization: they are listed on one page. */
const INVITATIONS_MAX = 200;

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
      invitation.findMany({ orderBy: [{ createdAt: 'asc' }, { email: 'asc' }], take: INVITATIONS_MAX }),
    ]);
    return {
      members: members.map(({ userId, role, createdAt, user: { email, name } }): MemberResponse => {
        return { userId, email, name, role, createdAt };
      }),
      invitations: invitations.map(({ email, role, createdAt }) => ({ email, role, createdAt })),
    };
  }

  /**
   * Lets the user of an address become a member. Inviting again replaces the invitation, and makes it the caller's.
   *
   * @throws ForbiddenError if the role, or that of the invitation that is replaced, is above the caller's
   * @throws TooManyInvitationsError
   */
  async invite(address: string, role: Role): Promise<InvitationResponse> {
    const email = address.toLowerCase();
    return this.database.transaction(async (client) => {
      const actor = await this.actor(client);
      assertMayHandle(actor, role);
      const replaced = await client.invitation.findFirst({ where: { email } });
      if (replaced !== null) assertMayHandle(actor, replaced.role);
      await client.invitation.deleteMany({ where: { email } });
      if ((await client.invitation.count()) >= INVITATIONS_MAX)
        throw new TooManyInvitationsError(INVITATIONS_MAX);
      const { createdAt } = await client.invitation.create({ data: { email, role } });
      await this.audit.record('member.invited', this.database.scope.organizationId, { role });
      return { email, role, createdAt };
    }, LOCKED);
  }

  /** @throws InvitationNotFoundError, ForbiddenError */
  async withdraw(address: string): Promise<void> {
    const email = address.toLowerCase();
    await this.database.transaction(async (client) => {
      const invitation = await client.invitation.findFirst({ where: { email } });
      if (invitation === null) throw new InvitationNotFoundError();
      assertMayHandle(await this.actor(client), invitation.role);
      await client.invitation.deleteMany({ where: { email } });
      await this.audit.record('member.invitation-withdrawn', this.database.scope.organizationId);
    }, LOCKED);
  }

  /** @throws MemberNotFoundError, ForbiddenError, LastOwnerError */
  async changeRole(userId: string, role: Role): Promise<void> {
    await this.database.transaction(async (client) => {
      const actor = await this.actor(client);
      assertMayHandle(actor, role);
      await this.assertMayChange(client, actor, userId, role);
      await client.membership.updateMany({ where: { userId }, data: { role } });
      await this.audit.record('member.role-changed', userId, { role });
      await this.voidInvitations(client, userId, role);
    }, LOCKED);
  }

  /**
   * Removes a member; members may remove themselves.
   *
   * @throws MemberNotFoundError, ForbiddenError, LastOwnerError
   */
  async remove(userId: string): Promise<void> {
    await this.database.transaction(async (client) => {
      const isSelf = userId === this.database.scope.userId;
      const actor = await this.actor(client);
      if (!isSelf && !includesRole(actor, 'ADMIN')) throw new ForbiddenError('members with the role ADMIN');
      await this.assertMayChange(client, actor, userId, null);
      await client.membership.deleteMany({ where: { userId } });
      await this.audit.record(isSelf ? 'member.left' : 'member.removed', userId);
      await this.voidInvitations(client, userId, null);
    }, LOCKED);
  }

  /** The role of the user who acts. @throws ForbiddenError for a program */
  private async actor(client: IsolatedTransaction): Promise<Role> {
    const { userId } = this.database.scope;
    const member = userId === null ? null : await client.membership.findFirst({ where: { userId } });
    if (member === null) throw new ForbiddenError('members');
    return member.role;
  }

  /** @throws MemberNotFoundError, ForbiddenError, LastOwnerError */
  private async assertMayChange(
    client: IsolatedTransaction,
    actor: Role,
    userId: string,
    next: Role | null,
  ): Promise<void> {
    const member = await client.membership.findFirst({ where: { userId } });
    if (member === null) throw new MemberNotFoundError(userId);
    assertMayHandle(actor, member.role);
    if (member.role !== 'OWNER' || next === 'OWNER') return;
    const others = await client.membership.count({ where: { role: 'OWNER', userId: { not: userId } } });
    if (others === 0) throw new LastOwnerError();
  }

  /** Deletes the invitations of a member that the new role may not give. */
  private async voidInvitations(
    client: IsolatedTransaction,
    userId: string,
    role: Role | null,
  ): Promise<void> {
    const roles = RANKS.filter((each) => !mayInvite(role, each));
    const { count } = await client.invitation.deleteMany({
      where: { createdBy: userId, role: { in: roles } },
    });
    if (count === 0) return;
    await this.audit.record('member.invitations-voided', userId, { count });
  }
}

/** Whether a member with the first role, or somebody who is no member, may invite somebody to the second. */
export function mayInvite(inviter: Role | null, role: Role): boolean {
  return inviter !== null && includesRole(inviter, 'ADMIN') && includesRole(inviter, role);
}

function assertMayHandle(actor: Role, role: Role): void {
  if (!includesRole(actor, role)) throw new ForbiddenError(`members with the role ${role}`);
}
