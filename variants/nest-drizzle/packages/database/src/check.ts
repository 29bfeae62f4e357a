import type pg from 'pg';

/** Tables that belong to no tenant, each with the reason. They have row-level security as well, by user. */
const NOT_OF_A_TENANT: Readonly<Record<string, string>> = {
  tenants: 'its own id is the tenant',
  users: 'a person may be a member of several tenants',
  passwords: 'belongs to a person',
  password_resets: 'belongs to a person',
  registrations: 'comes before there is a tenant; a row is found by its token',
  rate_limits: 'counts what happens before there is a tenant, under hashes',
};

/** Unique indexes of a tenant's tables that need not start with the tenant, each with the reason. */
const GLOBALLY_UNIQUE: Readonly<Record<string, string>> = {
  refresh_tokens_hash_key:
    'a token is looked up before its tenant is known; it is random, so a clash tells nothing',
  invitations_hash_key: 'as for refresh tokens',
  outbox_id_idx: 'the relay reads all tenants in order',
  memberships_user_id_idx: 'log-in looks for the tenants of a user',
};

interface Table {
  readonly name: string;
  readonly security: boolean;
  readonly forced: boolean;
  readonly commands: string[];
  readonly has_tenant: boolean;
  readonly nullable: boolean | null;
}

/**
 * Reads the catalog for what isolates tenants: row-level security with FORCE and a policy for each command, a tenant_id
 * that cannot be null, indexes and unique constraints that start with it, and foreign keys that carry it.
 *
 * @returns what is missing, a line each; nothing if all is well
 */
export async function findTenancyFaults(owner: pg.ClientBase): Promise<string[]> {
  const { rows: tables } = await owner.query<Table>(`
    SELECT c.relname AS name, c.relrowsecurity AS security, c.relforcerowsecurity AS forced,
           coalesce((SELECT array_agg(DISTINCT polcmd::text) FROM pg_policy WHERE polrelid = c.oid), '{}') AS commands,
           a.attname IS NOT NULL AS has_tenant, NOT a.attnotnull AS nullable
      FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname`);
  return [
    ...tables.flatMap(faultsOfTable),
    ...(await faultsOfIndexes(owner)),
    ...(await faultsOfForeignKeys(owner)),
    ...(await faultsOfViews(owner)),
  ];
}

function faultsOfTable({ name, security, forced, commands, has_tenant, nullable }: Table): string[] {
  const faults: string[] = [];
  if (!security) faults.push(`${name}: row-level security is not enabled`);
  if (!forced) faults.push(`${name}: row-level security is not forced on the owner`);
  if (name in NOT_OF_A_TENANT) {
    if (commands.length === 0) faults.push(`${name}: there is no policy`);
    return faults;
  }
  if (!has_tenant) return [...faults, `${name}: there is no tenant_id`];
  if (nullable) faults.push(`${name}: tenant_id may be null`);
  const named = { r: 'SELECT', a: 'INSERT', w: 'UPDATE', d: 'DELETE' } as const;
  for (const [letter, command] of Object.entries(named)) {
    if (!commands.includes(letter) && !commands.includes('*'))
      faults.push(`${name}: there is no policy for ${command}`);
  }
  return faults;
}

async function faultsOfIndexes(owner: pg.ClientBase): Promise<string[]> {
  const { rows } = await owner.query<{
    table: string;
    index: string;
    is_unique: boolean;
    first: string | null;
  }>(`
    SELECT t.relname AS table, i.relname AS index, x.indisunique AS is_unique, a.attname AS first
      FROM pg_index x
      JOIN pg_class i ON i.oid = x.indexrelid
      JOIN pg_class t ON t.oid = x.indrelid
      LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
     WHERE t.relnamespace = 'public'::regnamespace
       AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = t.oid AND attname = 'tenant_id' AND NOT attisdropped)`);
  return rows
    .filter(({ first, index }) => first !== 'tenant_id' && !(index in GLOBALLY_UNIQUE))
    .map(({ table, index, is_unique }) =>
      is_unique
        ? `${table}: ${index} is unique over all tenants, and so reveals the values of others; start it with tenant_id`
        : `${table}: ${index} does not start with tenant_id`,
    );
}

async function faultsOfForeignKeys(owner: pg.ClientBase): Promise<string[]> {
  // A reference to another tenant's row succeeds whatever the policies say: PostgreSQL checks it without them.
  const { rows } = await owner.query<{ table: string; name: string }>(`
    SELECT conrelid::regclass::text AS table, conname AS name
      FROM pg_constraint k
     WHERE contype = 'f' AND connamespace = 'public'::regnamespace
       AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = confrelid AND attname = 'tenant_id' AND NOT attisdropped)
       AND NOT EXISTS (
         SELECT FROM unnest(conkey, confkey) AS pair (own, other)
           JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = own
           JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = other
          WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id')`);
  return rows.map(({ table, name }) => `${table}: the foreign key ${name} does not carry tenant_id`);
}

async function faultsOfViews(owner: pg.ClientBase): Promise<string[]> {
  const { rows: views } = await owner.query<{ name: string; kind: string }>(`
    SELECT relname AS name, relkind::text AS kind FROM pg_class
     WHERE relnamespace = 'public'::regnamespace
       AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false))`);
  const { rows: definers } = await owner.query<{ name: string }>(`
    SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef`);
  return [
    ...views.map(({ name, kind }) =>
      kind === 'm'
        ? `${name}: a materialized view shows every tenant's rows to whoever may read it`
        : `${name}: a view without security_invoker = true runs with its owner's rights`,
    ),
    ...definers.map(({ name }) => `${name}(): a SECURITY DEFINER function runs with its owner's rights`),
  ];
}
