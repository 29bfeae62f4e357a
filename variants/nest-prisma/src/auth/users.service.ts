import { Injectable, Logger } from '@nestjs/common';
import { AuditLog } from '../audit-log/audit-log.service.js';
import { Database } from '../database/database.js';
import { Prisma } from '../generated/prisma/client.js';
import type { FirebaseUser } from './firebase.service.js';
import type { Identity, Role } from './principal.js';

export interface OwnMembership {
  readonly organizationId: string;
  readonly organizationName: string;
  readonly role: Role;
}

/** The users that Firebase's people are here. */
@Injectable()
export class UsersService {
  private readonly logger = new Logger(UsersService.name);

  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** The user of a person, made when they come for the first time; with it they accept the invitations to their address. */
  async provision(person: FirebaseUser): Promise<Identity> {
    const verifiedEmail = person.isEmailVerified ? person.email : null;
    const scope = { firebaseUid: person.uid, verifiedEmail, userId: null };
    const userId = await this.database.run(scope, () => this.findOrCreate(person));
    const identity: Identity = { kind: 'user', firebaseUid: person.uid, verifiedEmail, userId };
    if (verifiedEmail !== null) await this.acceptInvitations(identity, verifiedEmail);
    return identity;
  }

  /** Oldest first. */
  async memberships({ firebaseUid, verifiedEmail, userId }: Identity): Promise<OwnMembership[]> {
    const rows = await this.database.run({ firebaseUid, verifiedEmail, userId }, () =>
      this.database.client.membership.findMany({
        where: { userId },
        select: { organizationId: true, role: true, organization: { select: { name: true } } },
        orderBy: [{ createdAt: 'asc' }, { organizationId: 'asc' }],
      }),
    );
    return rows.map(({ organizationId, role, organization }) => ({
      organizationId,
      role,
      organizationName: organization.name,
    }));
  }

  private async findOrCreate({ uid: firebaseUid, email, name }: FirebaseUser): Promise<string> {
    const { user } = this.database.client;
    const known = await user.findFirst({ where: { firebaseUid } });
    if (known === null) {
      try {
        const { id } = await user.create({ data: { firebaseUid, email, name } });
        this.logger.log({ userId: id }, 'user provisioned');
        return id;
      } catch (error) {
        // Two first requests at the same moment.
        if (!(error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002')) throw error;
        return (await user.findFirstOrThrow({ where: { firebaseUid } })).id;
      }
    }
    if (known.email !== email || (name !== null && known.name !== name)) {
      await user.update({ where: { firebaseUid }, data: { email, ...(name !== null && { name }) } });
    }
    return known.id;
  }

  private async acceptInvitations({ firebaseUid, userId }: Identity, email: string): Promise<void> {
    const invitations = await this.database.run({ firebaseUid, verifiedEmail: email, userId }, () =>
      this.database.client.invitation.findMany({ where: { email } }),
    );
    for (const { organizationId, role } of invitations) {
      await this.database.run({ organizationId, userId }, () =>
        this.database.transaction(async (client) => {
          const { count } = await client.invitation.deleteMany({ where: { email } });
          if (count === 0) return; // withdrawn, or accepted by another request of theirs
          await client.membership.createMany({ data: { userId, role }, skipDuplicates: true });
          await this.audit.record('member.joined', userId, { role });
        }),
      );
    }
  }
}
