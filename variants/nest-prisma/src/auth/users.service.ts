import { Injectable, Logger } from '@nestjs/common';
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

  constructor(private readonly database: Database) {}

  /** The user of a person, made when they come for the first time. */
  async provision(person: FirebaseUser): Promise<Identity> {
    const verifiedEmail = person.isEmailVerified ? person.email : null;
    const scope = { firebaseUid: person.uid, verifiedEmail, userId: null };
    const userId = await this.database.run(scope, () => this.findOrCreate(person));
    return { kind: 'user', firebaseUid: person.uid, verifiedEmail, userId };
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

  private async findOrCreate({ uid: firebaseUid, name, ...person }: FirebaseUser): Promise<string> {
    const { email, isEmailVerified } = person;
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
    // Other members see the address: one that is not verified may be anybody's, and replaces none.
    const changes = {
      ...(isEmailVerified && known.email !== email && { email }),
      ...(name !== null && known.name !== name && { name }),
    };
    if (Object.keys(changes).length > 0) await user.update({ where: { firebaseUid }, data: changes });
    return known.id;
  }
}
