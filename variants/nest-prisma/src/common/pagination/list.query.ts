import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsOptional } from 'class-validator';
import { IsInstant } from '../validation/is-instant.js';
import { IsPlainText } from '../validation/is-plain-text.js';
import { PageQuery } from './page.dto.js';

/** What the lists of customers and of trackings are filtered by. */
export class ListQuery extends PageQuery {
  @ApiPropertyOptional({
    minLength: 1,
    maxLength: 100,
    description: 'a part of the name or of what else the list is searched in, in whatever case',
  })
  @IsOptional()
  @IsPlainText({ min: 1, max: 100 })
  readonly search?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'created at this time or later' })
  @IsOptional()
  @IsInstant()
  readonly createdFrom?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'created before this time' })
  @IsOptional()
  @IsInstant()
  readonly createdTo?: string;

  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    description: 'true: those that are deleted, and no others',
  })
  @IsOptional()
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  readonly deleted: boolean = false;
}

/** The filter that these parameters mean, for Prisma. */
export function listFilter({
  createdFrom,
  createdTo,
  deleted,
}: Pick<ListQuery, 'createdFrom' | 'createdTo' | 'deleted'>) {
  return {
    createdAt: {
      ...(createdFrom !== undefined && { gte: new Date(createdFrom) }),
      ...(createdTo !== undefined && { lt: new Date(createdTo) }),
    },
    ...(deleted && { deletedAt: { not: null } }),
  };
}

/** Text that has this in it, in whatever case. Prisma leaves the wildcards of LIKE as they are. */
export function containing(search: string) {
  return { contains: search.replace(/[\\%_]/g, '\\$&'), mode: 'insensitive' as const };
}
