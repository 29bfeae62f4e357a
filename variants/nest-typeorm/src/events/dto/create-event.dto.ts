import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsISO4217CurrencyCode, IsUppercase, Max, Min } from 'class-validator';
import { IsInstant } from '../../common/validation/is-instant.js';
import { IsPlainText } from '../../common/validation/is-plain-text.js';
import { MayBeOmitted } from '../../common/validation/may-be-omitted.js';

export const MAX_CAPACITY = 1_000_000;

/** 1,000,000.00 in a currency with cents; ten tickets still fit PostgreSQL's integer. */
export const MAX_PRICE = 100_000_000;

export class CreateEventDto {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'An evening of string quartets' })
  @IsPlainText({ min: 1, max: 200 })
  readonly name!: string;

  @ApiPropertyOptional({ maxLength: 5_000, description: 'empty, if left out' })
  @MayBeOmitted()
  @IsPlainText({ min: 0, max: 5_000 })
  readonly description?: string;

  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Town hall' })
  @IsPlainText({ min: 1, max: 200 })
  readonly venue!: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    example: '2030-05-01T19:30:00Z',
    description: 'with a time zone; years 2000 to 2999',
  })
  @IsInstant()
  readonly startsAt!: string;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: MAX_CAPACITY, example: 500 })
  @IsInt()
  @Min(1)
  @Max(MAX_CAPACITY)
  readonly capacity!: number;

  @ApiProperty({
    type: 'integer',
    minimum: 0,
    maximum: MAX_PRICE,
    example: 4_500,
    description: 'of one ticket, in minor units (cents)',
  })
  @IsInt()
  @Min(0)
  @Max(MAX_PRICE)
  readonly price!: number;

  @ApiProperty({ pattern: '^[A-Z]{3}$', example: 'EUR', description: 'ISO 4217' })
  @IsISO4217CurrencyCode()
  @IsUppercase()
  readonly currency!: string;
}
