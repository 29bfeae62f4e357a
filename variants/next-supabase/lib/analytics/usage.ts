import { z } from 'zod';
import { pageQuery } from '@/lib/api/schemas';
import { asUser } from '@/lib/database/transaction';
import { ValidationError } from '@/lib/errors/domain-error';
import { USAGE } from './usage-statement';

const DAY_MS = 86_400_000;
const MAX_DAYS = 732;

/** A date, or a time of which the day (UTC) counts. */
const date = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })])
  .transform((text) => new Date(text).toISOString().slice(0, 10));

export const usageQuery = pageQuery
  .extend({ startDate: date, endDate: date, groupBy: z.enum(['day', 'week', 'month']).default('day') })
  .refine(({ startDate, endDate }) => startDate <= endDate, {
    path: ['endDate'],
    message: 'must not be before startDate',
  })
  .refine(({ startDate, endDate }) => Date.parse(endDate) - Date.parse(startDate) <= MAX_DAYS * DAY_MS, {
    path: ['endDate'],
    message: `must be at most ${MAX_DAYS} days after startDate`,
  });

/** How often something happened in a period. */
const usageMetrics = z
  .strictObject({
    period: z.iso.date().describe('The first day of the period (UTC); weeks begin on Monday.'),
    eventType: z.string(),
    count: z.int(),
  })
  .meta({ id: 'UsageMetrics' });

export const usagePage = z.strictObject({
  data: z.array(usageMetrics),
  pagination: z
    .strictObject({ limit: z.int(), nextCursor: z.string().nullable() })
    .meta({ id: 'PaginationInfo' }),
});

export type UsageMetrics = Readonly<z.output<typeof usageMetrics>>;
export type UsagePage = Readonly<z.output<typeof usagePage>>;

/** The user's usage from `startDate` to `endDate`, both included, by period and type of event. */
export async function usage(userId: string, query: z.output<typeof usageQuery>): Promise<UsagePage> {
  const { startDate, endDate, groupBy, limit } = query;
  const [period, eventType] = query.cursor === undefined ? [null, null] : decode(query.cursor);
  const rows = await asUser(userId, async (tx) => {
    const result = await tx.query<UsageMetrics>(USAGE, [
      userId,
      startDate,
      endDate,
      groupBy,
      limit + 1,
      period,
      eventType,
    ]);
    return result.rows;
  });
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  return {
    data,
    pagination: { limit, nextCursor: rows.length > limit && last !== undefined ? encode(last) : null },
  };
}

const encode = ({ period, eventType }: UsageMetrics) =>
  Buffer.from(`${period} ${eventType}`).toString('base64url');

function decode(cursor: string): [period: string, eventType: string] {
  const [, period, eventType] =
    /^(\d{4}-\d\d-\d\d) (.{1,50})$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (!z.iso.date().safeParse(period).success || eventType === undefined) {
    throw new ValidationError([{ pointer: '/cursor', message: 'must be the nextCursor of an earlier page' }]);
  }
  return [period as string, eventType];
}
