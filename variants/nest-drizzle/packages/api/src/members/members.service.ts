import { memberships, tasks, users } from '@app/database';
import { includesRole, type Member, type Role } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Principal } from '../auth/tokens.service.js';
import { DatabaseService } from '../common/database/database.service.js';
import { DomainError } from '../common/errors/domain-error.js';
import { type SecurityEvent, SecurityLog } from '../common/logging/security-log.js';
import { decodeCursor } from '../common/pagination/cursor.js';
import { type Page, toPage } from '../common/pagination/page.js';
import { InvitationsService } from './invitations.service.js';
import { LastOwnerError, MemberNotFoundError } from './members.errors.js';

const COLUMNS = {
  userId: memberships.userId,
  email: users.email,
  name: users.name,
  role: memberships.role,
  createdAt: memberships.createdAt,
};

interface Row extends Omit<Member, 'createdAt'> {
  readonly createdAt: Date;
}

@Injectable()
export class MembersService {
  constructor(
    private readonly db: DatabaseService,
    private readonly invitations: InvitationsService,
    private readonly securityLog: SecurityLog,
  ) {}

  /** In the order in which they joined. */
  async list({ limit, cursor }: { limit: number; cursor?: string | undefined }): Promise<Page<Member>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    const rows = await this.db
      .select(COLUMNS)
      .from(memberships)
      .innerJoin(users, eq(users.id, memberships.userId))
      .where(
        after === undefined
          ? undefined
          : sql`(${memberships.createdAt}, ${memberships.userId}) > (${after.time.toISOString()}, ${after.id})`,
      )
      .orderBy(asc(memberships.createdAt), asc(memberships.userId))
      .limit(limit + 1);
    return toPage(rows, limit, ({ createdAt, userId }) => ({ time: createdAt, id: userId }), present);
  }

  /**
   * Gives a member another role. Only owners make owners, and unmake them. Pending invitations beyond the new role that
   * the member has sent, or that are to the member's address, are void.
   *
   * @throws MemberNotFoundError, LastOwnerError, DomainError FORBIDDEN
   */
  async setRole(principal: Principal, userId: string, role: Role): Promise<Member> {
    return this.db.membersTransaction(async () => {
      const [own, member] = await Promise.all([this.db.role(), this.find(userId)]);
      assertMayGrant(own, member.role);
      assertMayGrant(own, role);
      if (member.role === 'owner' && role !== 'owner') await this.assertOtherOwner(userId);
      await this.db
        .update(memberships)
        .set({ role, updatedAt: new Date() })
        .where(eq(memberships.userId, userId));
      await this.invitations.voidBeyond(principal, member, role);
      this.logAfterCommit('authz_change', principal, userId, { role, before: member.role });
      return { ...member, role };
    });
  }

  /**
   * Takes a member out of the tenant: sessions end, pending invitations by and to the member are void, tasks lose their
   * assignee. Members may leave by themselves.
   *
   * @throws MemberNotFoundError, LastOwnerError, DomainError FORBIDDEN
   */
  async remove(principal: Principal, userId: string): Promise<void> {
    await this.db.membersTransaction(async () => {
      const [own, member] = await Promise.all([this.db.role(), this.find(userId)]);
      if (userId !== principal.userId) {
        if (!includesRole(own, 'admin')) throw new DomainError('This is for admins.', 'FORBIDDEN');
        assertMayGrant(own, member.role);
      }
      // Waits for the member's writes, which would otherwise name an assignee who is gone.
      await this.db
        .select({ userId: memberships.userId })
        .from(memberships)
        .where(eq(memberships.userId, userId))
        .for('update');
      if (member.role === 'owner') await this.assertOtherOwner(userId);
      await this.db.update(tasks).set({ assigneeId: null }).where(eq(tasks.assigneeId, userId));
      await this.invitations.voidOf(principal, member);
      await this.db.delete(memberships).where(eq(memberships.userId, userId));
      this.logAfterCommit('member_removed', principal, userId, { before: member.role });
    });
  }

  private logAfterCommit(
    event: SecurityEvent,
    { userId: actorId, tenantId }: Principal,
    userId: string,
    details: Readonly<Record<string, string>>,
  ): void {
    this.db.afterCommit(() => this.securityLog.log(event, { userId, actorId, tenantId, ...details }));
  }

  private async find(userId: string): Promise<Member> {
    const [row] = await this.db
      .select(COLUMNS)
      .from(memberships)
      .innerJoin(users, eq(users.id, memberships.userId))
      .where(eq(memberships.userId, userId));
    if (row === undefined) throw new MemberNotFoundError(userId);
    return present(row);
  }

  private async assertOtherOwner(userId: string): Promise<void> {
    const [other] = await this.db
      .select({ userId: memberships.userId })
      .from(memberships)
      .where(and(eq(memberships.role, 'owner'), sql`${memberships.userId} <> ${userId}`))
      .limit(1);
    if (other === undefined) throw new LastOwnerError();
  }
}

function present({ createdAt, ...row }: Row): Member {
  return { ...row, createdAt: createdAt.toISOString() };
}

function assertMayGrant(own: Role, role: Role): void {
  if (!includesRole(own, role))
    throw new DomainError(`Only a member with the role ${role} may do this.`, 'FORBIDDEN', { role: own });
}
