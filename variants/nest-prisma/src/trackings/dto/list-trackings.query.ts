import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsEnum, IsIn, IsOptional, IsUUID } from 'class-validator';
import type { Sort } from '../../common/pagination/keyset.js';
import { ListQuery } from '../../common/pagination/list.query.js';
import { TrackingKind, TrackingStatus } from '../../generated/prisma/enums.js';

const SORTS = ['createdAt', '-createdAt', 'updatedAt', '-updatedAt', 'name', '-name'] as const;

export class ListTrackingsQuery extends ListQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID('all')
  readonly customerId?: string;

  @ApiPropertyOptional({ enum: TrackingKind, enumName: 'TrackingKind' })
  @IsOptional()
  @IsEnum(TrackingKind)
  readonly kind?: TrackingKind;

  @ApiPropertyOptional({ enum: TrackingStatus, enumName: 'TrackingStatus' })
  @IsOptional()
  @IsEnum(TrackingStatus)
  readonly status?: TrackingStatus;

  @ApiPropertyOptional({ enum: SORTS, default: '-createdAt', description: '- before the field: falling' })
  @IsOptional()
  @IsIn(SORTS)
  readonly sort: Sort<'createdAt' | 'updatedAt' | 'name'> = '-createdAt';
}
