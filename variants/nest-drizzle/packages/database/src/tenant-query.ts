import pg from 'pg';

/** On whose behalf the code that runs now may use the database. */
export interface TenantContext {
  readonly tenantId: string;
  /** Where set, PostgreSQL refuses writes: the answer to a GET changes nothing. */
  readonly readOnly?: boolean;
}

/** `true`: both settings end with the transaction, and a connection that goes back to the pool remembers nothing. */
const SET_TENANT = {
  name: 'set_tenant',
  text: `SELECT set_config('app.tenant_id', $1, true), set_config('transaction_read_only', $2, true)`,
};

declare module 'pg' {
  // What pg calls on its own queries, and its types do not name.
  interface Query<R, I> {
    requiresPreparation(): boolean;
    prepare(connection: pg.Connection): void;
    handleDataRow(message: unknown): void;
    handleCommandComplete(message: unknown, connection: pg.Connection): void;
  }
}

/** Says for which tenant a transaction is that has begun. */
export async function setTenant(client: pg.ClientBase, tenant: TenantContext): Promise<void> {
  await client.query({ ...SET_TENANT, values: valuesOf(tenant) });
}

/** Makes a new connection ready for `TenantQuery`, which takes it for granted that PostgreSQL knows `SET_TENANT`. */
export async function prepareForTenants(client: pg.ClientBase): Promise<void> {
  await setTenant(client, { tenantId: '' });
}

function valuesOf({ tenantId, readOnly = false }: TenantContext): string[] {
  return [tenantId, readOnly ? 'on' : 'off'];
}

/**
 * A statement that is a transaction of its own, for a tenant.
 *
 * In PostgreSQL's extended query protocol everything up to a Sync is one implicit transaction. So the tenant is set and
 * the statement run in one message to PostgreSQL and one back, where BEGIN, SET LOCAL and COMMIT would each be parsed, run
 * and answered.
 */
class TenantQuery extends pg.Query {
  /** Whether PostgreSQL has answered that the tenant is set; what it answers from then on is about the statement. */
  private isSet = false;

  constructor(
    config: pg.QueryConfig,
    values: unknown[] | undefined,
    private readonly tenant: TenantContext,
    callback: (error: Error | undefined, result: pg.QueryResult) => void,
  ) {
    super(config, values, callback);
  }

  /** By the extended protocol, also where the statement has no parameters. */
  override requiresPreparation(): boolean {
    return true;
  }

  override prepare(connection: pg.Connection): void {
    connection.bind({ statement: SET_TENANT.name, values: valuesOf(this.tenant) }, true);
    connection.execute({}, true);
    super.prepare(connection);
  }

  override handleDataRow(message: unknown): void {
    if (this.isSet) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: pg.Connection): void {
    if (this.isSet) super.handleCommandComplete(message, connection);
    this.isSet = true;
  }
}

/** Runs one statement on behalf of a tenant, in a transaction of its own. The connection must have no transaction open. */
export function queryAsTenant(
  client: pg.ClientBase,
  tenant: TenantContext,
  config: pg.QueryConfig,
  values?: unknown[],
): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | undefined, result: pg.QueryResult) =>
      error ? reject(error) : resolve(result);
    client.query(new TenantQuery(config, values, tenant, settle));
  });
}
