import { type Cursor, encodeCursor } from './cursor.js';

/** One page of a list. */
export interface Page<Item> {
  readonly data: Item[];
  readonly page: { readonly nextCursor: string | null };
}

/**
 * Makes a page out of one row more than it holds: the surplus row only tells that there is another page.
 *
 * @param rows at most `limit + 1` rows in the list's order
 */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  sortKey: (row: Row) => Cursor,
  present: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? encodeCursor(sortKey(last)) : null;
  return { data: shown.map(present), page: { nextCursor } };
}
