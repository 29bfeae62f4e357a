import type pg from 'pg';

/** Tables without `user_id`, each with the reason. There are no others. */
const WITHOUT_USER: Readonly<Record<string, string>> = {
  users: 'its own id is the user',
  verifications: "Better Auth's: a link may be mailed before there is a user",
};

interface Table {
  readonly name: string;
  readonly type: string | null;
  readonly nullable: boolean | null;
  readonly is_indexed: boolean;
  readonly goes_with_user: boolean;
}

/**
 * Reads the catalog for what ties rows to users: a `user_id uuid NOT NULL` in every table that comes first in an index and
 * refers to the user, with whom the row goes; and foreign keys that carry it, so that no row can refer to another user's.
 *
 * @returns what is missing, a line each; nothing if all is well
 */
export async function findUserFaults(owner: pg.ClientBase): Promise<string[]> {
  const { rows } = await owner.query<Table>(`
    SELECT c.relname AS name, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS nullable,
           EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indkey[0] = a.attnum AND indisvalid) AS is_indexed,
           EXISTS (SELECT FROM pg_constraint
                    WHERE contype = 'f' AND conrelid = c.oid AND conkey = ARRAY[a.attnum] AND confdeltype = 'c'
                      AND confrelid = to_regclass('public.users')) AS goes_with_user
      FROM pg_class c
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'm') ORDER BY c.relname`);
  return [...rows.flatMap(faultsOfTable), ...(await faultsOfForeignKeys(owner))];
}

function faultsOfTable({ name, type, nullable, is_indexed, goes_with_user }: Table): string[] {
  if (name in WITHOUT_USER) return [];
  if (type === null) return [`${name}: there is no user_id`];
  return [
    ...(type === 'uuid' ? [] : [`${name}: user_id is ${type}, not uuid`]),
    ...(nullable ? [`${name}: user_id may be null`] : []),
    ...(is_indexed ? [] : [`${name}: no index starts with user_id`]),
    ...(goes_with_user ? [] : [`${name}: user_id does not refer to users with ON DELETE CASCADE`]),
  ];
}

async function faultsOfForeignKeys(owner: pg.ClientBase): Promise<string[]> {
  const { rows } = await owner.query<{ table: string; name: string }>(`
    SELECT conrelid::regclass::text AS table, conname AS name
      FROM pg_constraint
     WHERE contype = 'f' AND connamespace = 'public'::regnamespace
       AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = confrelid AND attname = 'user_id' AND NOT attisdropped)
       AND NOT EXISTS (
         SELECT FROM unnest(conkey, confkey) AS pair (own, other)
           JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = own
           JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = other
          WHERE a.attname = 'user_id' AND b.attname = 'user_id')`);
  return rows.map(({ table, name }) => `${table}: the foreign key ${name} does not carry user_id`);
}
