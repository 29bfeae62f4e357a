import { type SQL, sql } from 'drizzle-orm';
import { type AnyPgColumn, pgPolicy } from 'drizzle-orm/pg-core';

/**
 * The tenant of the transaction, or NULL where there is none. `set_config(..., true)` leaves '' behind, which is not a
 * UUID, hence the `nullif`; the subselect is evaluated once per statement and not once per row.
 */
export const currentTenant = sql`(SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)`;

/** The user that the transaction acts for: where a tenant is not chosen yet (log-in, refresh). */
export const currentUser = sql`(SELECT nullif(current_setting('app.user_id', true), '')::uuid)`;

/**
 * One policy per command: a row is there for its tenant, and for nobody else.
 *
 * @param alsoVisible who else may read a row, for the tables that log-in needs
 */
export function tenantPolicies(table: string, tenantId: AnyPgColumn, alsoVisible?: SQL) {
  const own = sql`${tenantId} = ${currentTenant}`;
  const visible = alsoVisible === undefined ? own : sql`${own} OR ${alsoVisible}`;
  return [
    pgPolicy(`${table}_select`, { for: 'select', using: visible }),
    pgPolicy(`${table}_insert`, { for: 'insert', withCheck: own }),
    pgPolicy(`${table}_update`, { for: 'update', using: own, withCheck: own }),
    pgPolicy(`${table}_delete`, { for: 'delete', using: own }),
  ];
}

/**
 * For `ExpiryDatabase` alone: of all tenants what is older than it says, to delete it. What it says ends with the
 * transaction, and without it there is nothing to see.
 */
export function expiryPolicies(table: string, createdAt: AnyPgColumn) {
  const isExpired = sql`${createdAt} < (SELECT nullif(current_setting('app.expired_before', true), '')::timestamptz)`;
  return [
    pgPolicy(`${table}_expiry_select`, { for: 'select', using: isExpired }),
    pgPolicy(`${table}_expiry_delete`, { for: 'delete', using: isExpired }),
  ];
}
