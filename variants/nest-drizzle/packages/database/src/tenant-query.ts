import type pg from 'pg';
import type { ActingMember } from './acting-member.js';
import { queryInScope, type ScopeStatement } from './scoped-query.js';

/** On whose behalf the code that runs now may use the database. */
export interface TenantContext {
  readonly tenantId: string;
  /** Where set, PostgreSQL refuses writes: the answer to a GET changes nothing. */
  readonly readOnly?: boolean;
  /** Whose rights bound the writes. Jobs and consumers act for the tenant itself, and have none. */
  readonly member?: ActingMember;
}

/** `true`: both settings end with the transaction, and a connection that goes back to the pool remembers nothing. */
const SET_TENANT = {
  name: 'set_tenant',
  text: `SELECT set_config('app.tenant_id', $1, true), set_config('transaction_read_only', $2, true)`,
};

/** Says for which tenant a transaction is that has begun. */
export async function setTenant(client: pg.ClientBase, tenant: TenantContext): Promise<void> {
  await client.query(scopeOf(tenant));
}

/** Makes a new connection ready for `queryAsTenant`, which takes it for granted that PostgreSQL knows `SET_TENANT`. */
export async function prepareForTenants(client: pg.ClientBase): Promise<void> {
  await setTenant(client, { tenantId: '' });
}

function scopeOf({ tenantId, readOnly = false }: TenantContext): ScopeStatement {
  return { ...SET_TENANT, values: [tenantId, readOnly ? 'on' : 'off'] };
}

/** Runs one statement on behalf of a tenant, in a transaction of its own. The connection must have no transaction open. */
export function queryAsTenant(
  client: pg.ClientBase,
  tenant: TenantContext,
  config: pg.QueryConfig,
  values?: unknown[],
): Promise<pg.QueryResult> {
  return queryInScope(client, scopeOf(tenant), config, values);
}
