import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsEnum, IsIn, IsOptional } from 'class-validator';
import type { Sort } from '../../common/pagination/keyset.js';
import { ListQuery } from '../../common/pagination/list.query.js';
import { CustomerStatus } from '../../generated/prisma/enums.js';

const SORTS = ['createdAt', '-createdAt', 'updatedAt', '-updatedAt', 'name', '-name'] as const;

export class ListCustomersQuery extends ListQuery {
  @ApiPropertyOptional({ enum: CustomerStatus, enumName: 'CustomerStatus' })
  @IsOptional()
  @IsEnum(CustomerStatus)
  readonly status?: CustomerStatus;

  @ApiPropertyOptional({ enum: SORTS, default: '-createdAt', description: '- before the field: falling' })
  @IsOptional()
  @IsIn(SORTS)
  readonly sort: Sort<'createdAt' | 'updatedAt' | 'name'> = '-createdAt';
}
