import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsOptional } from 'class-validator';
import { PageQuery } from '../../common/pagination/page.dto.js';
import { IsInstant } from '../../common/validation/is-instant.js';
import { IsPlainText } from '../../common/validation/is-plain-text.js';

export class ListEventsQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'date-time', description: 'starts at this time or later' })
  @IsOptional()
  @IsInstant()
  readonly from?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'starts before this time' })
  @IsOptional()
  @IsInstant()
  readonly to?: string;

  @ApiPropertyOptional({ type: Boolean, description: 'true: tickets are left; false: sold out' })
  @IsOptional()
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  readonly available?: boolean;

  @ApiPropertyOptional({
    minLength: 1,
    maxLength: 100,
    description: 'beginnings of words in the name or the venue; all must occur',
  })
  @IsOptional()
  @IsPlainText({ min: 1, max: 100 })
  readonly q?: string;
}
