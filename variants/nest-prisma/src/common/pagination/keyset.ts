import { ValidationError } from '../errors/domain-error.js';

/** A list's order: a field of its allow-list, with `-` before it where it falls. */
export type Sort<Field extends string> = Field | `-${Field}`;

/** The place of a row in a sorted list. */
interface Position {
  readonly value: string;
  readonly id: string;
}

/** One page of a list. */
export interface Page<Item> {
  readonly data: Item[];
  readonly page: { readonly nextCursor: string | null };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Keyset pagination: a page begins after the last row of the page before, wherever that is by now. Rows are sorted by one
 * field and, within it, by id, as the index on (organization_id, field, id) has them.
 */
export class Keyset<Field extends string> {
  private readonly field: Field;
  private readonly isFalling: boolean;

  constructor(
    private readonly sort: Sort<Field>,
    private readonly limit: number,
  ) {
    this.isFalling = sort.startsWith('-');
    this.field = (this.isFalling ? sort.slice(1) : sort) as Field;
  }

  /** For Prisma's findMany: one row more than the page has, which only tells that there is another page. */
  get arguments(): { orderBy: Record<string, 'asc' | 'desc'>[]; take: number } {
    const direction = this.isFalling ? 'desc' : 'asc';
    return { orderBy: [{ [this.field]: direction }, { id: direction }], take: this.limit + 1 };
  }

  /**
   * The filter for what comes after a cursor. The first part enters the index, the second leaves out what it has before the
   * row itself.
   *
   * @throws ValidationError where the cursor is none of this sort
   */
  after(cursor: string | undefined): object {
    if (cursor === undefined) return {};
    const { value, id } = this.decode(cursor);
    const [beyond, atLeast] = this.isFalling ? ['lt', 'lte'] : ['gt', 'gte'];
    const { field } = this;
    return {
      [field]: { [atLeast]: value },
      OR: [{ [field]: { [beyond]: value } }, { id: { [beyond]: id } }],
    };
  }

  /** @param rows at most `limit + 1`, in the list's order */
  page<Row extends { readonly id: string } & { readonly [Name in Field]: Date | string }, Item>(
    rows: readonly Row[],
    present: (row: Row) => Item,
  ): Page<Item> {
    const shown = rows.slice(0, this.limit);
    const last = shown.at(-1);
    const nextCursor = rows.length > this.limit && last !== undefined ? this.encode(last) : null;
    return { data: shown.map(present), page: { nextCursor } };
  }

  private encode(row: { readonly id: string } & { readonly [Name in Field]: Date | string }): string {
    const value = row[this.field];
    const text = value instanceof Date ? value.toISOString() : value;
    return Buffer.from(JSON.stringify([this.sort, text, row.id])).toString('base64url');
  }

  private decode(cursor: string): Position {
    try {
      const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
      const [sort, value, id, ...rest] = Array.isArray(parts) ? (parts as unknown[]) : [];
      const isOurs =
        sort === this.sort && typeof value === 'string' && typeof id === 'string' && UUID.test(id);
      const isTime = this.field.endsWith('At');
      if (isOurs && rest.length === 0 && (!isTime || isInstant(value)) && !value.includes('\0')) {
        return { value, id };
      }
    } catch {
      // No base64url of JSON: no cursor of ours.
    }
    throw new ValidationError([
      { pointer: '/cursor', message: 'cursor must be the nextCursor of an earlier page with the same sort' },
    ]);
  }
}

function isInstant(value: string): boolean {
  const time = new Date(value);
  return !Number.isNaN(time.getTime()) && time.toISOString() === value;
}
