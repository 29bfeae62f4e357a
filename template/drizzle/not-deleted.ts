import { and, eq, getTableColumns, isNull, or, type SQL, sql } from 'drizzle-orm';
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';

/**
 * Returns the condition under which a row is there for users: it is not soft-deleted (`deleted_at`), and neither is a row
 * that it refers to, directly or over others. The foreign keys name these; references within a table do not count. So
 * the tasks of a deleted project are gone with it, and return when it is restored.
 *
 * Returns undefined if nothing that the table's rows depend on can be soft-deleted.
 */
export function notDeleted(table: PgTable): SQL | undefined {
  return conditionOf(table, []);
}

/** @param children the tables that led here: a cycle of references ends at the first of them */
function conditionOf(table: PgTable, children: readonly PgTable[]): SQL | undefined {
  const { deletedAt } = getTableColumns(table);
  const parents = getTableConfig(table).foreignKeys.map((key) => {
    const { columns, foreignTable, foreignColumns } = key.reference();
    if (foreignTable === table || children.includes(foreignTable)) return undefined;
    const condition = conditionOf(foreignTable, [...children, table]);
    if (condition === undefined) return undefined;
    const joined = foreignColumns.map((foreign, index) => eq(foreign, sql`${columns[index]}`));
    const refersToNothing = columns.filter((column) => !column.notNull).map((column) => isNull(column));
    return or(
      ...refersToNothing,
      sql`EXISTS (SELECT FROM ${foreignTable} WHERE ${and(...joined, condition)})`,
    );
  });
  return and(deletedAt === undefined ? undefined : isNull(deletedAt), ...parents);
}
