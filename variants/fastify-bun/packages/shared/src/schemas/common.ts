import { z } from 'zod';
import { dateTime } from './date-time.js';

/** Control characters but tab, line feed and carriage return. PostgreSQL cannot store NUL at all. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/**
 * Well-formed Unicode without control characters. A lone surrogate would be stored as U+FFFD, which is not what the
 * client sent, so it is refused.
 */
export const plainText = (min: number, max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => text.trim().length >= min && text.isWellFormed() && !CONTROL.test(text), {
      error: `must be text of ${min} to ${max} characters, without control characters`,
    })
    .meta({ minLength: min });

/** A UUID as this service makes them. */
export const id = z.uuid();

/** A point in time: RFC 3339 on the wire, `Date` in the code. */
export const instant = z.codec(dateTime, z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString() as z.output<z.ZodISODateTime>,
});

/** `?limit=` and `?cursor=` of every list. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20).describe('rows per page'),
  cursor: z.string().max(200).optional().describe('nextCursor of the page before'),
});

/** One page of a list. */
export const page = <Item extends z.ZodType>(item: Item) =>
  z.object({
    data: z.array(item),
    page: z.object({ nextCursor: z.string().nullable().describe('null on the last page') }),
  });

/** RFC 9457. Some codes add members of their own. */
export const Problem = z
  .looseObject({
    type: z.string().meta({ format: 'uri' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().describe('what went wrong this time, for people'),
    instance: z.string().describe('the path of the request'),
    code: z.string().describe('stable; branch on this'),
    requestId: z.string().describe('leads to the lines of the log'),
    retryAfter: z.int().min(1).optional().describe('seconds, as in Retry-After'),
    errors: z
      .array(
        z.object({
          pointer: z.string().describe('JSON Pointer into the body, or /name of a parameter'),
          message: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof Problem>;
