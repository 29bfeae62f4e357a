import { IdentityDatabase, invitations, memberships, passwords, users } from '@app/database';
import {
  type AcceptInvitation,
  type CreateInvitation,
  type Invitation,
  includesRole,
  type Session,
} from '@app/shared';
import { Injectable } from '@nestjs/common';
import { and, eq, gt, isNull } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { InvalidCredentialsError } from '../auth/auth.errors.js';
import { AuthService } from '../auth/auth.service.js';
import { hashOf, makeOpaqueToken } from '../auth/opaque-tokens.js';
import { PasswordsService } from '../auth/passwords.service.js';
import type { Principal } from '../auth/tokens.service.js';
import { DatabaseService } from '../common/database/database.service.js';
import { DomainError } from '../common/errors/domain-error.js';
import { violatedConstraint } from '../common/errors/sql-state.js';
import { AlreadyAMemberError, InvitationNotFoundError } from './members.errors.js';

const VALID_MS = 7 * 24 * 60 * 60 * 1_000;

@Injectable()
export class InvitationsService {
  constructor(
    private readonly db: DatabaseService,
    private readonly identity: IdentityDatabase,
    private readonly passwords: PasswordsService,
    private readonly auth: AuthService,
  ) {}

  /**
   * Invites somebody. The token is in the answer alone; whoever has it may accept.
   *
   * @throws DomainError FORBIDDEN where the role is more than the inviter's own
   */
  async create(principal: Principal, { email, role }: CreateInvitation): Promise<Invitation> {
    if (!includesRole(principal.role, role))
      throw new DomainError(`Only a member with the role ${role} may do this.`, 'FORBIDDEN');
    const { token, hash } = makeOpaqueToken();
    const row = { id: uuidv7(), email, role, expiresAt: new Date(Date.now() + VALID_MS) };
    await this.db.insert(invitations).values({ ...row, tenantId: this.db.tenantId, hash });
    return { ...row, expiresAt: row.expiresAt.toISOString(), token };
  }

  /**
   * Makes the invited person a member: with the account of that address, whose password is asked for, or with a new one.
   *
   * @throws InvitationNotFoundError, AlreadyAMemberError, InvalidCredentialsError
   */
  async accept({ token, name, password }: AcceptInvitation): Promise<Session> {
    const tokenHash = hashOf(token);
    const shown = { invitationHash: tokenHash.toString('hex') };
    const valid = and(
      eq(invitations.hash, tokenHash),
      isNull(invitations.acceptedAt),
      gt(invitations.expiresAt, new Date()),
    );
    const found = await this.identity.transaction(shown, async (db, show) => {
      const [invitation] = await db.select().from(invitations).where(valid);
      if (invitation === undefined) throw new InvitationNotFoundError();
      await show({ loginEmail: invitation.email });
      const [user] = await db
        .select({ id: users.id, hash: passwords.hash })
        .from(users)
        .innerJoin(passwords, eq(passwords.userId, users.id));
      return { invitation, user };
    });
    // Between the transactions: hashing takes longer than anything that a transaction should wait for.
    const { invitation, user } = found;
    if (user !== undefined && !(await this.passwords.matches(user.hash, password)))
      throw new InvalidCredentialsError();
    const passwordHash = user === undefined ? await this.passwords.hash(password) : undefined;

    const { tenantId, role, email } = invitation;
    const userId = user?.id ?? uuidv7();
    try {
      return await this.identity.transaction({ ...shown, userId, tenantId }, async (db) => {
        const [accepted] = await db
          .update(invitations)
          .set({ acceptedAt: new Date() })
          .where(valid)
          .returning({ id: invitations.id });
        if (accepted === undefined) throw new InvitationNotFoundError();
        if (passwordHash !== undefined) {
          await db.insert(users).values({ id: userId, email, name });
          await db.insert(passwords).values({ userId, hash: passwordHash });
        }
        await db.insert(memberships).values({ tenantId, userId, role });
        return this.auth.openSession(db, { tenantId, userId, role });
      });
    } catch (error) {
      if (violatedConstraint(error) === 'memberships_pkey') throw new AlreadyAMemberError();
      throw error;
    }
  }
}
