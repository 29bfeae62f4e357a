import { Injectable } from '@nestjs/common';
import { ValidationError } from '../common/errors/domain-error.js';
import { Database } from '../database/database.js';
import { Prisma } from '../generated/prisma/client.js';
import { TrackingKind } from '../generated/prisma/enums.js';
import type { Period, TrackingAnalyticsQuery, TrackingCount } from './dto/tracking-analytics.dto.js';

const DAY_MS = 24 * 60 * 60 * 1_000;
const DEFAULT_DAYS = 90;

/** An answer has no more periods than a chart could show. */
const MAX_PERIODS = 1_000;
const DAYS: Readonly<Record<Period, number>> = { day: 1, week: 7, month: 28 };

interface Row {
  readonly period: string;
  readonly kind: TrackingKind | null;
  readonly count: number;
}

/** What the trackings of the organization add up to. */
@Injectable()
export class AnalyticsService {
  constructor(private readonly database: Database) {}

  /** Trackings by the time at which they were created. @throws ValidationError */
  async trackings({ groupBy, from, to, customerId }: TrackingAnalyticsQuery): Promise<TrackingCount[]> {
    const end = to === undefined ? new Date() : new Date(to);
    const begin = from === undefined ? new Date(end.getTime() - DEFAULT_DAYS * DAY_MS) : new Date(from);
    assertPeriods(begin, end, groupBy);
    const rows = await this.database.sql<Row>((organizationId) =>
      countTrackings({ organizationId, groupBy, begin, end, customerId }),
    );
    const counts = new Map<string, Record<TrackingKind, number>>();
    for (const { period, kind, count } of rows) {
      const byKind = counts.get(period) ?? none();
      if (kind !== null) byKind[kind] = count;
      counts.set(period, byKind);
    }
    return [...counts].map(([period, byKind]) => ({
      period,
      total: Object.values(byKind).reduce((total, count) => total + count, 0),
      byKind,
    }));
  }
}

export interface CountedTrackings {
  readonly organizationId: string;
  readonly groupBy: Period;
  readonly begin: Date;
  readonly end: Date;
  readonly customerId?: string;
}

/**
 * Answered from trackings_organization_id_created_at_kind_idx alone, in the time that the rows of the range take; see
 * test/analytics/analytics.spec.ts. The periods come from the range, so that empty ones are there as well.
 */
export function countTrackings({
  organizationId,
  groupBy,
  begin,
  end,
  customerId,
}: CountedTrackings): Prisma.Sql {
  const ofCustomer =
    customerId === undefined ? Prisma.empty : Prisma.sql`AND customer_id = ${customerId}::uuid`;
  return Prisma.sql`
    WITH counted AS (
      SELECT date_trunc(${groupBy}, created_at, 'UTC') AS period, kind, count(*)::int AS count
        FROM trackings
       WHERE organization_id = ${organizationId}::uuid AND deleted_at IS NULL
         AND created_at >= ${begin}::timestamptz AND created_at < ${end}::timestamptz ${ofCustomer}
       GROUP BY 1, 2
    )
    SELECT to_char(p.period AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS period, c.kind::text AS kind, coalesce(c.count, 0) AS count
      FROM generate_series(date_trunc(${groupBy}, ${begin}::timestamptz, 'UTC'), ${end}::timestamptz - interval '1 microsecond',
                           ${`1 ${groupBy}`}::interval, 'UTC') AS p (period)
      LEFT JOIN counted c ON c.period = p.period
     ORDER BY p.period`;
}

function assertPeriods(begin: Date, end: Date, groupBy: Period): void {
  if (begin >= end) {
    throw new ValidationError([{ pointer: '/from', message: 'from must be before to' }]);
  }
  if ((end.getTime() - begin.getTime()) / (DAYS[groupBy] * DAY_MS) > MAX_PERIODS) {
    const message = `from and to must be less than ${MAX_PERIODS} periods apart: take longer periods, or less time`;
    throw new ValidationError([{ pointer: '/from', message }]);
  }
}

function none(): Record<TrackingKind, number> {
  return Object.fromEntries(Object.values(TrackingKind).map((kind) => [kind, 0])) as Record<
    TrackingKind,
    number
  >;
}
