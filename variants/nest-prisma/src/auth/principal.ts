import type { Role } from '../generated/prisma/enums.js';

export type { Role };

/** Roles from the one that may do least. Each may do what those before it may. */
export const RANKS: readonly Role[] = ['VIEWER', 'MEMBER', 'ADMIN', 'OWNER'];

/** Whether a role is the one that is needed, or includes it. */
export function includesRole(role: Role, needed: Role): boolean {
  return RANKS.indexOf(role) >= RANKS.indexOf(needed);
}

/** A person of whom Firebase has told who they are, and the database which user that is. */
export interface Identity {
  readonly kind: 'user';
  readonly firebaseUid: string;
  readonly verifiedEmail: string | null;
  readonly userId: string;
}

/** Another service, by a token of its own. */
export interface ServiceIdentity {
  readonly kind: 'service';
  /** As its token names it. */
  readonly name: string;
  readonly userId: null;
}

/** Who makes a request, and for which organization. */
export interface Principal {
  readonly identity: Identity | ServiceIdentity;
  /** Null where the endpoint is for people, whatever they are members of. */
  readonly organizationId: string | null;
  readonly role: Role | null;
  /** The role that transactions of the request check again; undefined for a plain read. */
  readonly requires?: Role | undefined;
}
