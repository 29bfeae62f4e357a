/** Runs one statement on one connection, and returns its rows. */
export type RunSql = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** The privileges of a role, except for those of roles that it is a member of. */
const GRANTED = `
  SELECT c.relname AS table, a.privilege_type AS privilege
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
   WHERE n.nspname = 'public' AND c.relname = ANY($2) AND a.grantee = $1::regrole`;
const ON_COLUMNS = `
  SELECT DISTINCT c.relname AS table
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
         aclexplode(t.attacl) a
   WHERE n.nspname = 'public' AND c.relname = ANY($2) AND a.grantee = $1::regrole`;

/**
 * Gives a role exactly these privileges of each table, in one transaction: the processes of the last release run on, and
 * may at no time have less. Where nothing differs, nothing is written.
 *
 * @param role not quoted
 * @param grants privileges by table, for example `SELECT, INSERT`
 */
export async function applyGrants(
  run: RunSql,
  role: string,
  grants: Readonly<Record<string, string>>,
): Promise<void> {
  const name = quoted(role);
  const values = [name, Object.keys(grants)];
  await run('BEGIN');
  try {
    // Two processes that grant at the same time would change the same rows of the catalog.
    await run(`SELECT pg_advisory_xact_lock(hashtext('grants'))`);
    const [schema] = await run(`SELECT has_schema_privilege($1::regrole, 'public', 'USAGE') AS granted`, [
      name,
    ]);
    if (schema?.granted !== true) await run(`GRANT USAGE ON SCHEMA public TO ${name}`);
    const granted = await run(GRANTED, values);
    const byColumn = new Set((await run(ON_COLUMNS, values)).map(({ table }) => table));
    for (const [table, list] of Object.entries(grants)) {
      const on = `ON ${quoted(table)}`;
      if (byColumn.has(table) || /\(|\bALL\b/i.test(list)) {
        await run(`REVOKE ALL ${on} FROM ${name}`);
        await run(`GRANT ${list} ${on} TO ${name}`);
        continue;
      }
      const wanted = list.split(',').map((privilege) => privilege.trim().toUpperCase());
      const present = granted
        .filter((grant) => grant.table === table)
        .map(({ privilege }) => String(privilege));
      const missing = wanted.filter((privilege) => !present.includes(privilege));
      const surplus = present.filter((privilege) => !wanted.includes(privilege));
      if (surplus.length > 0) await run(`REVOKE ${surplus.join(', ')} ${on} FROM ${name}`);
      if (missing.length > 0) await run(`GRANT ${missing.join(', ')} ${on} TO ${name}`);
    }
    await run('COMMIT');
  } catch (error) {
    await run('ROLLBACK');
    throw error;
  }
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
