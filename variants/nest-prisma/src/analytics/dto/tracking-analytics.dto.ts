import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { IsInstant } from '../../common/validation/is-instant.js';
import { TrackingKind } from '../../generated/prisma/enums.js';

const PERIODS = ['day', 'week', 'month'] as const;

export type Period = (typeof PERIODS)[number];

export class TrackingAnalyticsQuery {
  @ApiPropertyOptional({
    enum: PERIODS,
    default: 'day',
    description: 'weeks begin on Monday; all are of UTC',
  })
  @IsOptional()
  @IsIn(PERIODS)
  readonly groupBy: Period = 'day';

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'at this time or later; 90 days before `to` if left out',
  })
  @IsOptional()
  @IsInstant()
  readonly from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'before this time; now if left out' })
  @IsOptional()
  @IsInstant()
  readonly to?: string;

  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID('all')
  readonly customerId?: string;
}

const KINDS = Object.values(TrackingKind);

export class TrackingCount {
  @ApiProperty({ format: 'date', example: '2026-11-02', description: 'the first day of the period' })
  readonly period!: string;

  @ApiProperty({ type: 'integer', description: 'trackings that were created in it' })
  readonly total!: number;

  @ApiProperty({
    type: 'object',
    properties: Object.fromEntries(KINDS.map((kind) => [kind, { type: 'integer' }])),
    required: KINDS,
    additionalProperties: false,
  })
  readonly byKind!: Readonly<Record<TrackingKind, number>>;
}

export class TrackingAnalytics {
  @ApiProperty({
    type: [TrackingCount],
    description: 'every period of the time asked for, also an empty one',
  })
  readonly data!: TrackingCount[];
}
