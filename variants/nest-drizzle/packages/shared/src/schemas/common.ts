import { z } from 'zod';
import { dateTime } from './date-time.js';

export const id = z.uuid();

/** What the database stores with milliseconds, as JSON has it. */
export const instant = dateTime.meta({ description: 'RFC 3339, with a time zone' });

/** Control characters but tab, line feed and carriage return. PostgreSQL cannot store NUL at all. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Well-formed Unicode without control characters; a lone surrogate would be stored as U+FFFD. */
export const plainText = (minimum: number, maximum: number) =>
  z
    .string()
    .max(maximum)
    .refine((text) => text.trim().length >= minimum, {
      message: `must be text of at least ${minimum} characters`,
    })
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), {
      message: 'must be text without control characters',
    })
    .meta({ minLength: minimum, maxLength: maximum });

/** `?limit=` and `?cursor=` of every list. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(200).optional().meta({ description: 'nextCursor of the page before' }),
});

export type PageQuery = z.output<typeof pageQuery>;

/** One page of a list; `nextCursor` is null on the last one. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ data: z.array(item), page: z.object({ nextCursor: z.string().nullable() }) });

/** Raised by every change of the row; the ETag is this in double quotes. */
export const version = z.int().min(1);
