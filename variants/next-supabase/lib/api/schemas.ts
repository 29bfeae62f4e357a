import { z } from 'zod';

/** Control characters but tab, line feed and carriage return. PostgreSQL cannot store NUL at all. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** The same for documents: what {@link CONTROL} refuses, and nothing but spaces. */
const PLAIN = '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$';

/** Well-formed Unicode without control characters; a lone surrogate would be stored as U+FFFD. */
export const plainText = (minimum: number, maximum: number) =>
  z
    .string()
    .max(maximum)
    .refine((text) => text.trim().length >= minimum, `must be text of at least ${minimum} characters`)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'must be text without control characters')
    .meta({ minLength: minimum, pattern: PLAIN });

/** UUIDs are compared as text in places: one spelling. */
export const id = z.uuid().toLowerCase();

/** `?limit=` and `?cursor=` of every list. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(200).optional(),
});

export const none = z.strictObject({});

/** A time in UTC, to the millisecond. */
export const time = z.iso.datetime();

/** The body of an answer with one thing. */
export const data = <Data extends z.ZodType>(schema: Data) => z.strictObject({ data: schema });

/** The body of an answer with a page of a list. */
export const pageOf = <Item extends z.ZodType>(schema: Item) =>
  z.strictObject({ data: z.array(schema), page: z.strictObject({ nextCursor: z.string().nullable() }) });
