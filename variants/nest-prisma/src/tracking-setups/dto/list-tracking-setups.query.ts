import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsEnum, IsIn, IsOptional, IsUUID } from 'class-validator';
import type { Sort } from '../../common/pagination/keyset.js';
import { PageQuery } from '../../common/pagination/page.dto.js';
import { SetupStatus, TrackingOperation } from '../../generated/prisma/enums.js';

const SORTS = ['createdAt', '-createdAt'] as const;

export class ListTrackingSetupsQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  readonly trackingId?: string;

  @ApiPropertyOptional({ enum: TrackingOperation, enumName: 'TrackingOperation' })
  @IsOptional()
  @IsEnum(TrackingOperation)
  readonly operation?: TrackingOperation;

  @ApiPropertyOptional({ enum: SetupStatus, enumName: 'SetupStatus' })
  @IsOptional()
  @IsEnum(SetupStatus)
  readonly status?: SetupStatus;

  @ApiPropertyOptional({ enum: SORTS, default: '-createdAt' })
  @IsOptional()
  @IsIn(SORTS)
  readonly sort: Sort<'createdAt'> = '-createdAt';
}
