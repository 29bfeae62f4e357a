import type { Role } from '@app/shared';
import { eq } from 'drizzle-orm';
import type pg from 'pg';
import { tenants } from './schema/index.js';
import type { Drizzle } from './tenant-database.js';
import type { TenantContext } from './tenant-query.js';

/** The member for whom a request runs. Every transaction that may write reads the member's role first. */
export interface ActingMember {
  readonly userId: string;
  /** The login that the access token belongs to: the family of its refresh tokens. Undefined skips the check. */
  readonly sessionId?: string | undefined;
  /** Whether the request is reserved for a role. If so, the role cannot change until the transaction has ended. */
  readonly isPrivileged: boolean;
  /**
   * Throws if the role does not suffice or the session has ended; the transaction is then rolled back.
   *
   * @param role as the database has it; undefined if the user is no member of the tenant
   * @param hasSession false after a logout, a new password, or a refresh token that was used twice
   */
  authorize(role: Role | undefined, hasSession: boolean): void;
}

const ROLE = `
  SELECT role, $3::uuid IS NULL OR EXISTS (
           SELECT FROM refresh_tokens WHERE tenant_id = $1 AND family_id = $3 AND revoked_at IS NULL) AS has_session
    FROM memberships WHERE tenant_id = $1 AND user_id = $2`;

const READ_ROLE = { name: 'read_role', text: ROLE };

/** Until the transaction has ended, the member cannot be removed. */
const HOLD_MEMBERSHIP = { name: 'hold_membership', text: `${ROLE} FOR KEY SHARE` };

/** Until the transaction has ended, the member can be neither removed nor demoted. */
const HOLD_ROLE = { name: 'hold_role', text: `${ROLE} FOR SHARE` };

/** All transactions that change memberships begin with this: they run one after the other, and cannot deadlock. */
const LOCK_MEMBERS = { name: 'lock_members', text: 'SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE' };

/** Locks the memberships of a tenant, in a transaction of `IdentityDatabase` that acts for the tenant. */
export async function lockMembers(db: Drizzle, tenantId: string): Promise<void> {
  await db.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, tenantId)).for('no key update');
}

type Acting = TenantContext & { readonly member: ActingMember };

interface Standing {
  readonly role: Role;
  readonly has_session: boolean;
}

/** Reads and authorizes the member's role by a function that runs a statement in a transaction of its own. */
export async function authorizeBy(
  acting: Acting,
  query: (config: pg.QueryConfig) => Promise<pg.QueryResult<Standing>>,
): Promise<void> {
  authorize(acting.member, await query({ ...READ_ROLE, values: valuesOf(acting) }));
}

function valuesOf({ tenantId, member }: Acting): unknown[] {
  return [tenantId, member.userId, member.sessionId];
}

function authorize(member: ActingMember, { rows: [standing] }: pg.QueryResult<Standing>): Role | undefined {
  member.authorize(standing?.role, standing?.has_session ?? false);
  return standing?.role;
}

/**
 * Reads and authorizes the role of the member for whom a transaction runs, and locks it against a concurrent removal or
 * demotion. Sends its statements at once, so that they travel with BEGIN.
 *
 * @param locksMembers whether the transaction changes memberships
 */
export async function authorizeMember(
  client: pg.ClientBase,
  acting: Acting,
  locksMembers: boolean,
): Promise<Role | undefined> {
  const { tenantId, member } = acting;
  const locked = locksMembers ? client.query({ ...LOCK_MEMBERS, values: [tenantId] }) : undefined;
  const statement = locksMembers ? READ_ROLE : member.isPrivileged ? HOLD_ROLE : HOLD_MEMBERSHIP;
  const [result] = await Promise.all([
    client.query<Standing>({ ...statement, values: valuesOf(acting) }),
    locked,
  ]);
  return authorize(member, result);
}
