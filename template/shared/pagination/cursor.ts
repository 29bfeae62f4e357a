import { ValidationError } from '../errors/domain-error.js';

/** The place of a row in a list that is sorted by a time and, within it, by id. */
export interface Cursor {
  readonly time: Date;
  readonly id: string;
}

/** PostgreSQL reads years before 1000 and after 9999 otherwise than `toISOString` writes them. */
const YEAR = /^[1-9]\d{3}-/;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Opaque to clients: base64url of the sort key of the last row of a page. */
export function encodeCursor({ time, id }: Cursor): string {
  return Buffer.from(`${time.toISOString()} ${id}`).toString('base64url');
}

/**
 * Reads what `encodeCursor` wrote.
 *
 * @throws ValidationError where the text is no cursor of ours
 */
export function decodeCursor(text: string): Cursor {
  const [iso = '', id = '', ...rest] = Buffer.from(text, 'base64url').toString().split(' ');
  const time = new Date(iso);
  if (
    rest.length > 0 ||
    !YEAR.test(iso) ||
    Number.isNaN(time.getTime()) ||
    time.toISOString() !== iso ||
    !UUID.test(id)
  ) {
    throw new ValidationError([
      { pointer: '/cursor', message: 'cursor must be the nextCursor of an earlier page' },
    ]);
  }
  return { time, id };
}
