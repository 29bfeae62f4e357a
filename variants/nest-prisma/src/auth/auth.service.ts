import { hash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { LRUCache } from 'lru-cache';
import { CONFIG } from '../common/config/config.module.js';
import { DomainError } from '../common/errors/domain-error.js';
import type { Config } from '../config/config.js';
import {
  ForbiddenError,
  NoOrganizationError,
  NotAMemberError,
  OrganizationRequiredError,
  UnauthorizedError,
} from './auth.errors.js';
import { FirebaseService } from './firebase.service.js';
import type { Principal, Role } from './principal.js';
import { ServiceTokensService } from './service-tokens.service.js';
import { type OwnMembership, UsersService } from './users.service.js';

/** Tokens that are remembered at the same time. */
const CACHE_MAX = 10_000;

/** Who has a token, and of what they are members. */
interface Known {
  readonly identity: Principal['identity'];
  readonly memberships: readonly Membership[];
}

interface Identified extends Known {
  /** Whether the memberships are of an earlier request, and may have changed since. */
  readonly isRemembered: boolean;
}

type Membership = Pick<OwnMembership, 'organizationId' | 'role'>;

/** Tells who makes a request. */
@Injectable()
export class AuthService {
  /**
   * Whom tokens were found to be of. Asking Firebase whether a token was revoked, and the database for the roles, takes
   * longer than most requests; what changes there holds after AUTH_CACHE_SECONDS at the latest. Only plain reads rely on
   * the roles in here.
   */
  private readonly known = new LRUCache<string, Known>({ max: CACHE_MAX });

  constructor(
    private readonly firebase: FirebaseService,
    private readonly services: ServiceTokensService,
    private readonly users: UsersService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * A member of an organization, or another service on behalf of one.
   *
   * @param authorization the header field, `Bearer <token>`
   * @param organization what `X-Organization-Id` says, if it is there
   * @param requires the role that the request needs; the database is asked for it. Undefined for a plain read
   * @throws UnauthorizedError, NotAMemberError, NoOrganizationError, OrganizationRequiredError
   * @throws IdentityProviderUnavailableError
   */
  async member(
    authorization: string | undefined,
    organization: string | undefined,
    requires: Role | undefined,
  ): Promise<Principal> {
    if (organization !== undefined && !isUUID(organization, 'all')) {
      throw new DomainError('X-Organization-Id must be a UUID.', 'BAD_REQUEST');
    }
    const known = await this.identify(authorization);
    const { organizationId, role } =
      rememberedChoice(known, organization, requires) ??
      choose(await this.currentMemberships(known), organization);
    return { identity: known.identity, organizationId, role, requires };
  }

  /** A person, whatever they are a member of. @throws as `member`, and ForbiddenError for a service */
  async person(authorization: string | undefined): Promise<Principal> {
    const { identity } = await this.identify(authorization);
    if (identity.kind === 'service') throw new ForbiddenError('people');
    return { identity, organizationId: null, role: null };
  }

  /** Forgets whom tokens are of: this process has changed somebody's role. */
  forget(): void {
    this.known.clear();
  }

  private async currentMemberships({ identity, ...known }: Identified): Promise<readonly Membership[]> {
    if (!known.isRemembered || identity.kind === 'service') return known.memberships;
    return this.users.memberships(identity);
  }

  private async identify(authorization = ''): Promise<Identified> {
    const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(authorization)?.[1];
    if (token === undefined) throw new UnauthorizedError('there is no token');
    const key = hash('sha256', token, 'base64url');
    const remembered = this.known.get(key);
    if (remembered !== undefined) return { ...remembered, isRemembered: true };
    const { expiresAt, ...known } = this.services.recognizes(token)
      ? await this.ofService(token)
      : await this.ofPerson(token);
    const ttl = Math.min(this.config.AUTH_CACHE_SECONDS * 1_000, expiresAt - Date.now());
    if (ttl > 0) this.known.set(key, known, { ttl });
    return { ...known, isRemembered: false };
  }

  private async ofService(token: string): Promise<Known & { expiresAt: number }> {
    const { service: name, organizationId, expiresAt } = await this.services.verify(token);
    const identity = { kind: 'service', name, userId: null } as const;
    return { identity, memberships: [{ organizationId, role: 'MEMBER' }], expiresAt };
  }

  private async ofPerson(token: string): Promise<Known & { expiresAt: number }> {
    const person = await this.firebase.verify(token);
    const identity = await this.users.provision(person);
    const memberships = await this.users.memberships(identity);
    return { identity, memberships, expiresAt: person.expiresAt };
  }
}

/** The membership of a plain read, if the memberships of an earlier request have one: nobody is refused by those. */
function rememberedChoice(
  { memberships, isRemembered }: Identified,
  organization: string | undefined,
  requires: Role | undefined,
): Membership | undefined {
  if (!isRemembered || requires !== undefined) return undefined;
  const matching = memberships.filter(
    ({ organizationId }) => organization === undefined || organizationId === organization.toLowerCase(),
  );
  return matching.length === 1 ? matching[0] : undefined;
}

/** The membership to act by. An organization that is not there and one of others are the same. */
function choose(memberships: readonly Membership[], organization: string | undefined): Membership {
  if (organization !== undefined) {
    const chosen = memberships.find(({ organizationId }) => organizationId === organization.toLowerCase());
    if (chosen === undefined) throw new NotAMemberError(organization);
    return chosen;
  }
  const [only, ...others] = memberships;
  if (only === undefined) throw new NoOrganizationError();
  if (others.length > 0) throw new OrganizationRequiredError();
  return only;
}
