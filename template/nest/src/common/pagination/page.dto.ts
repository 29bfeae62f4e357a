import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

/** `?limit=` and `?cursor=` of every list. */
export class PageQuery {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: 100,
    default: 20,
    description: 'rows per page',
  })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  readonly limit: number = 20;

  @ApiPropertyOptional({ description: 'nextCursor of the page before', maxLength: [% if variant == 'nest-prisma' %]1_000[% else %]200[% endif %] })
  @IsOptional()
  @IsString()
  @MaxLength([% if variant == 'nest-prisma' %]1_000[% else %]200[% endif %])
  readonly cursor?: string;
}

/** Where a list goes on. */
export class PageInfo {
  @ApiProperty({ type: String, nullable: true, description: 'null on the last page' })
  readonly nextCursor!: string | null;
}
