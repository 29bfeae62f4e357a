import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsEnum, IsIn, IsOptional, IsUUID } from 'class-validator';
import type { Sort } from '../../common/pagination/keyset.js';
import { PageQuery } from '../../common/pagination/page.dto.js';
import { SyncStatus } from '../../generated/prisma/enums.js';

const SORTS = ['createdAt', '-createdAt'] as const;

export class ListSyncsQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  readonly connectionId?: string;

  @ApiPropertyOptional({ enum: SyncStatus, enumName: 'SyncStatus' })
  @IsOptional()
  @IsEnum(SyncStatus)
  readonly status?: SyncStatus;

  @ApiPropertyOptional({ enum: SORTS, default: '-createdAt' })
  @IsOptional()
  @IsIn(SORTS)
  readonly sort: Sort<'createdAt'> = '-createdAt';
}
