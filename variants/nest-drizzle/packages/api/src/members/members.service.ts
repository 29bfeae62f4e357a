import { memberships, tasks, users } from '@app/database';
import { includesRole, type Member, type Role } from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Principal } from '../auth/tokens.service.js';
import { DatabaseService } from '../common/database/database.service.js';
import { DomainError } from '../common/errors/domain-error.js';
import { decodeCursor } from '../common/pagination/cursor.js';
import { type Page, toPage } from '../common/pagination/page.js';
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
  constructor(private readonly db: DatabaseService) {}

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
   * Gives a member another role. Only owners make owners, and unmake them.
   *
   * @throws MemberNotFoundError, LastOwnerError, DomainError FORBIDDEN
   */
  async setRole(principal: Principal, userId: string, role: Role): Promise<Member> {
    return this.db.transaction(async () => {
      const member = await this.lock(userId);
      assertMayGrant(principal, member.role);
      assertMayGrant(principal, role);
      if (member.role === 'owner' && role !== 'owner') await this.assertOtherOwner(userId);
      await this.db
        .update(memberships)
        .set({ role, updatedAt: new Date() })
        .where(eq(memberships.userId, userId));
      return { ...member, role };
    });
  }

  /**
   * Takes a member out of the tenant: sessions end, tasks lose their assignee. Members may leave by themselves.
   *
   * @throws MemberNotFoundError, LastOwnerError, DomainError FORBIDDEN
   */
  async remove(principal: Principal, userId: string): Promise<void> {
    await this.db.transaction(async () => {
      const member = await this.lock(userId);
      if (userId !== principal.userId) {
        if (!includesRole(principal.role, 'admin')) throw new DomainError('This is for admins.', 'FORBIDDEN');
        assertMayGrant(principal, member.role);
      }
      if (member.role === 'owner') await this.assertOtherOwner(userId);
      await this.db.update(tasks).set({ assigneeId: null }).where(eq(tasks.assigneeId, userId));
      await this.db.delete(memberships).where(eq(memberships.userId, userId));
    });
  }

  /** The tenant's owners are locked as well: two of them cannot leave at the same moment. */
  private async lock(userId: string): Promise<Member> {
    await this.db
      .select({ userId: memberships.userId })
      .from(memberships)
      .where(eq(memberships.role, 'owner'))
      .orderBy(asc(memberships.userId))
      .for('update');
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

function assertMayGrant(principal: Principal, role: Role): void {
  if (!includesRole(principal.role, role))
    throw new DomainError(`Only a member with the role ${role} may do this.`, 'FORBIDDEN', {
      role: principal.role,
    });
}
