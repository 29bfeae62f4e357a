import {
  type Drizzle,
  IdentityDatabase,
  invitations,
  lockMembers,
  memberships,
  passwords,
  users,
} from '@app/database';
import {
  type AcceptInvitation,
  type CreateInvitation,
  type Invitation,
  includesRole,
  type Member,
  type PageQuery,
  type PendingInvitation,
  type Role,
  type Session,
} from '@app/shared';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, gt, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { InvalidCredentialsError } from '../auth/auth.errors.js';
import { invitationMail } from '../auth/auth.mails.js';
import { AuthService, lockPassword } from '../auth/auth.service.js';
import { LoginLimitService } from '../auth/login-limit.service.js';
import { MailLimitService } from '../auth/mail-limit.service.js';
import { hashOf, makeOpaqueToken } from '../auth/opaque-tokens.js';
import { PasswordsService } from '../auth/passwords.service.js';
import type { Principal } from '../auth/tokens.service.js';
import { CONFIG } from '../common/config/config.module.js';
import { DatabaseService } from '../common/database/database.service.js';
import { DomainError } from '../common/errors/domain-error.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { SecurityLog } from '../common/logging/security-log.js';
import { MailService } from '../common/mail/mail.service.js';
import { decodeCursor } from '../common/pagination/cursor.js';
import { type Page, toPage } from '../common/pagination/page.js';
import type { Config } from '../config/config.js';
import { AlreadyAMemberError, InvitationNotFoundError } from './members.errors.js';

const VALID_MS = 7 * 24 * 60 * 60 * 1_000;

/** The least role that may invite. */
const INVITING_ROLE = 'admin';

const COLUMNS = {
  id: invitations.id,
  email: invitations.email,
  role: invitations.role,
  invitedBy: invitations.invitedBy,
  expiresAt: invitations.expiresAt,
  createdAt: invitations.createdAt,
};

type Addressee = Pick<Member, 'userId' | 'email'>;

interface Row extends Omit<PendingInvitation, 'expiresAt' | 'createdAt'> {
  readonly expiresAt: Date;
  readonly createdAt: Date;
}

@Injectable()
export class InvitationsService {
  constructor(
    private readonly db: DatabaseService,
    private readonly identity: IdentityDatabase,
    private readonly passwords: PasswordsService,
    private readonly auth: AuthService,
    private readonly limit: LoginLimitService,
    private readonly mailLimit: MailLimitService,
    private readonly mail: MailService,
    private readonly securityLog: SecurityLog,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Invites somebody. The token leaves by mail only, after the commit: it proves that who accepts reads the address.
   *
   * @throws DomainError FORBIDDEN where the role is more than the inviter's own, RATE_LIMITED
   */
  async create({ userId }: Principal, { email, role }: CreateInvitation): Promise<Invitation> {
    await this.mailLimit.countInvitation(email, this.db.tenantId);
    const { token, hash } = makeOpaqueToken();
    const row = { id: uuidv7(), email, role, expiresAt: new Date(Date.now() + VALID_MS) };
    await this.db.transaction(async () => {
      assertMayInvite(await this.db.role(), role);
      await this.db
        .insert(invitations)
        .values({ ...row, tenantId: this.db.tenantId, invitedBy: userId, hash });
      this.db.afterCommit(() => {
        const { tenantId } = this.db;
        this.securityLog.log('invitation_created', { actorId: userId, tenantId, invitationId: row.id, role });
        this.mail.send(invitationMail(email, token, this.config.APP_URL));
      });
    });
    return { ...row, expiresAt: row.expiresAt.toISOString() };
  }

  /** Lists those that can still be accepted, in the order in which they were created. */
  async list({ limit, cursor }: PageQuery): Promise<Page<PendingInvitation>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    const rows = await this.db
      .select(COLUMNS)
      .from(invitations)
      .where(
        and(
          isNull(invitations.acceptedAt),
          gt(invitations.expiresAt, new Date()),
          after === undefined
            ? undefined
            : sql`(${invitations.createdAt}, ${invitations.id}) > (${after.time.toISOString()}, ${after.id})`,
        ),
      )
      .orderBy(asc(invitations.createdAt), asc(invitations.id))
      .limit(limit + 1);
    return toPage(rows, limit, ({ createdAt, id }) => ({ time: createdAt, id }), present);
  }

  /**
   * Withdraws an invitation that nobody has accepted.
   *
   * @throws InvitationNotFoundError, DomainError FORBIDDEN if its role is more than the caller's own
   */
  async withdraw({ userId }: Principal, id: string): Promise<void> {
    await this.db.transaction(async () => {
      const pending = and(eq(invitations.id, id), isNull(invitations.acceptedAt));
      const [found] = await this.db
        .select({ role: invitations.role })
        .from(invitations)
        .where(pending)
        .for('update');
      if (found === undefined) throw new InvitationNotFoundError();
      assertMayInvite(await this.db.role(), found.role);
      await this.db.delete(invitations).where(pending);
      const { tenantId } = this.db;
      this.db.afterCommit(() => this.logWithdrawn(userId, tenantId, [{ id }]));
    });
  }

  /**
   * Deletes the pending invitations beyond a member's new role: those that the member has sent, and those to the member's
   * address. Call it in the transaction of the change.
   */
  async voidBeyond(actor: Principal, { userId, email }: Addressee, role: Role): Promise<void> {
    const bySender = and(eq(invitations.invitedBy, userId), isBeyond(role));
    const toAddress = and(eq(invitations.email, email), lt(invitations.role, role));
    await this.voidPending(actor, or(bySender, toAddress));
  }

  /**
   * Deletes the pending invitations that a member has sent, and those to the member's address, by which the member would
   * return after a removal. Call it before the removal, which deletes the former without a line in the log.
   */
  async voidOf(actor: Principal, { userId, email }: Addressee): Promise<void> {
    await this.voidPending(actor, or(eq(invitations.invitedBy, userId), eq(invitations.email, email)));
  }

  private async voidPending({ userId: actorId, tenantId }: Principal, which: SQL | undefined): Promise<void> {
    const deleted = await this.db
      .delete(invitations)
      .where(and(isNull(invitations.acceptedAt), which))
      .returning({ id: invitations.id });
    this.db.afterCommit(() => this.logWithdrawn(actorId, tenantId, deleted));
  }

  private logWithdrawn(actorId: string, tenantId: string, deleted: readonly { readonly id: string }[]): void {
    for (const { id: invitationId } of deleted)
      this.securityLog.log('invitation_withdrawn', { actorId, tenantId, invitationId });
  }

  /**
   * Makes the invited person a member: with the account of that address, whose password is asked for, or with a new one.
   *
   * @param address of the client, for the limit of wrong passwords
   * @throws InvitationNotFoundError, AlreadyAMemberError, InvalidCredentialsError, DomainError RATE_LIMITED
   */
  async accept({ token, name, password }: AcceptInvitation, address: string): Promise<Session> {
    const tokenHash = hashOf(token);
    const shown = { invitationHash: tokenHash.toString('hex') };
    const valid = and(
      eq(invitations.hash, tokenHash),
      isNull(invitations.acceptedAt),
      gt(invitations.expiresAt, new Date()),
    );
    const found = await this.limit.guardToken(address, () =>
      this.identity.transaction(shown, async (db, show) => {
        const [invitation] = await db.select().from(invitations).where(valid);
        if (invitation === undefined) throw new InvitationNotFoundError();
        await show({ loginEmail: invitation.email });
        const [user] = await db
          .select({ id: users.id, hash: passwords.hash })
          .from(users)
          .innerJoin(passwords, eq(passwords.userId, users.id));
        return { invitation, user };
      }),
    );
    // Between the transactions: hashing takes longer than anything that a transaction should wait for.
    const { invitation, user } = found;
    if (user !== undefined) {
      await this.limit.guardPassword(invitation.email, address, 'owner', async () => {
        if (!(await this.passwords.matches(user.hash, password))) throw new InvalidCredentialsError(user.id);
      });
    }
    const passwordHash = user === undefined ? await this.passwords.hash(password) : undefined;

    const { tenantId, role, email } = invitation;
    const userId = user?.id ?? uuidv7();
    try {
      const { session, deleted } = await this.identity.transaction(
        { ...shown, userId, tenantId },
        async (db) => {
          if (user !== undefined && (await lockPassword(db, userId)) !== user.hash)
            throw new InvalidCredentialsError();
          await assertInviterMayInvite(db, invitation);
          const [accepted] = await db
            .update(invitations)
            .set({ acceptedAt: new Date() })
            .where(valid)
            .returning({ id: invitations.id });
          if (accepted === undefined) throw new InvitationNotFoundError();
          // The address needs no other invitation, and a removed member must not return by one.
          const deleted = await db
            .delete(invitations)
            .where(and(eq(invitations.tenantId, tenantId), isPendingTo(email)))
            .returning({ id: invitations.id });
          if (passwordHash !== undefined) {
            await db.insert(users).values({ id: userId, email, name });
            await db.insert(passwords).values({ userId, hash: passwordHash });
          }
          await db.insert(memberships).values({ tenantId, userId, role });
          return { session: await this.auth.openSession(db, { tenantId, userId, role }), deleted };
        },
      );
      if (user === undefined) this.securityLog.log('user_created', { userId, tenantId, role });
      const actorId = invitation.invitedBy ?? undefined;
      this.securityLog.log('member_added', { userId, actorId, tenantId, invitationId: invitation.id, role });
      this.logWithdrawn(userId, tenantId, deleted);
      if (user === undefined) await this.limit.forgive(email, address);
      return session;
    } catch (error) {
      if (violatedConstraint(error) === 'memberships_pkey') throw new AlreadyAMemberError();
      throw error;
    }
  }
}

function present({ expiresAt, createdAt, ...row }: Row): PendingInvitation {
  return { ...row, expiresAt: expiresAt.toISOString(), createdAt: createdAt.toISOString() };
}

function mayInvite(inviter: Role | undefined, role: Role): boolean {
  return inviter !== undefined && includesRole(inviter, INVITING_ROLE) && includesRole(inviter, role);
}

function assertMayInvite(inviter: Role, role: Role): void {
  if (!mayInvite(inviter, role))
    throw new DomainError(`Only a member with the role ${role} may do this.`, 'FORBIDDEN', { role: inviter });
}

/** The condition for invitations that a member with this role may not issue. The enum begins with the highest role. */
function isBeyond(role: Role): SQL | undefined {
  return includesRole(role, INVITING_ROLE) ? lt(invitations.role, role) : undefined;
}

/** The condition for invitations to an address that nobody has accepted. */
function isPendingTo(email: string): SQL | undefined {
  return and(eq(invitations.email, email), isNull(invitations.acceptedAt));
}

/**
 * The right to invite counts at the time of the acceptance. Changes of memberships lock the tenant's row, so the inviter
 * can be neither demoted nor removed before this transaction ends.
 *
 * @throws InvitationNotFoundError
 */
async function assertInviterMayInvite(
  db: Drizzle,
  { tenantId, invitedBy, role }: typeof invitations.$inferSelect,
): Promise<void> {
  await lockMembers(db, tenantId);
  const [inviter] =
    invitedBy === null
      ? []
      : await db
          .select({ role: memberships.role })
          .from(memberships)
          .where(and(eq(memberships.tenantId, tenantId), eq(memberships.userId, invitedBy)));
  if (!mayInvite(inviter?.role, role)) throw new InvitationNotFoundError();
}
