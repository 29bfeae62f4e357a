import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import type { Identity, Role } from '../auth/principal.js';
import { Database } from '../database/database.js';
import { InvitationNotFoundError, TooManyMembersError } from './members.errors.js';
import { mayInvite } from './members.service.js';

/** Members of an organization: they are listed on one page. */
const MEMBERS_MAX = 500;

/** Anybody may invite an address, from any number of organizations. Those that are not listed can be accepted all the same. */
const LISTED_MAX = 100;

export interface OwnInvitation {
  readonly organizationId: string;
  readonly organizationName: string;
  readonly role: Role;
  readonly createdAt: Date;
}

/**
 * The invitations to the verified address of a person. They give nothing until the person accepts them: an invitation by
 * somebody else must not change what the person's requests do.
 */
@Injectable()
export class OwnInvitationsService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** The latest first; none for an address that is not verified. */
  async list(person: Identity): Promise<OwnInvitation[]> {
    const { verifiedEmail: email } = person;
    if (email === null) return [];
    const rows = await this.database.run(identityScope(person), () =>
      this.database.client.invitation.findMany({
        where: { email },
        select: {
          organizationId: true,
          role: true,
          createdAt: true,
          organization: { select: { name: true } },
        },
        orderBy: [{ createdAt: 'desc' }, { organizationId: 'asc' }],
        take: LISTED_MAX,
      }),
    );
    return rows.map(({ organizationId, role, createdAt, organization: { name } }) => {
      return { organizationId, organizationName: name, role, createdAt };
    });
  }

  /**
   * Makes the person a member. Somebody who is one already keeps their role.
   *
   * @throws InvitationNotFoundError also if the inviter may no longer give the role
   * @throws TooManyMembersError
   */
  async accept(person: Identity, organizationId: string): Promise<void> {
    const email = await this.find(person, organizationId);
    const { userId } = person;
    await this.database.run({ organizationId, userId }, () =>
      this.database.transaction(
        async (client) => {
          const invitation = await client.invitation.findFirst({ where: { email } });
          if (invitation === null) throw new InvitationNotFoundError(); // withdrawn, or accepted, just now
          const { role, createdBy } = invitation;
          const inviter =
            createdBy === null ? null : await client.membership.findFirst({ where: { userId: createdBy } });
          if (!mayInvite(inviter?.role ?? null, role)) throw new InvitationNotFoundError();
          await client.invitation.deleteMany({ where: { email } });
          const others = await client.membership.count({ where: { userId: { not: userId } } });
          if (others >= MEMBERS_MAX) throw new TooManyMembersError(MEMBERS_MAX);
          await client.membership.createMany({ data: { userId, role }, skipDuplicates: true });
          await this.audit.record('member.joined', userId, { role });
        },
        { locksMembers: true },
      ),
    );
  }

  /** @throws InvitationNotFoundError */
  async decline(person: Identity, organizationId: string): Promise<void> {
    const email = await this.find(person, organizationId);
    await this.database.run({ organizationId, userId: person.userId }, () =>
      this.database.transaction(async (client) => {
        const { count } = await client.invitation.deleteMany({ where: { email } });
        if (count === 0) throw new InvitationNotFoundError();
        await this.audit.record('member.invitation-declined', organizationId);
      }),
    );
  }

  /** In the person's own scope, in which row-level security shows no invitation to another address. */
  private async find(person: Identity, organizationId: string): Promise<string> {
    const { verifiedEmail: email } = person;
    if (email === null) throw new InvitationNotFoundError();
    const invitation = await this.database.run(identityScope(person), () =>
      this.database.client.invitation.findFirst({ where: { organizationId, email } }),
    );
    if (invitation === null) throw new InvitationNotFoundError();
    return email;
  }
}

function identityScope({ firebaseUid, verifiedEmail, userId }: Identity) {
  return { firebaseUid, verifiedEmail, userId };
}
