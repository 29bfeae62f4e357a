import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsISO4217CurrencyCode,
  IsNumber,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsInstant } from '../../../common/validation/is-instant.js';
import { MayBeOmitted } from '../../../common/validation/may-be-omitted.js';
import { GOOGLE_ID_PATTERN } from '../../calls/google-id.pipe.js';
import { CLICK_ID_KINDS, type ClickIdKind } from '../conversions.js';

/** What Google's ids of clicks and the ids of most shops consist of. */
const TOKEN = '^[\\w.:~+/=-]{1,200}$'; // pragma: allowlist secret

export class CustomerResponse {
  @ApiProperty({ example: '1234567890' })
  readonly customerId!: string;

  @ApiProperty({ example: 'customers/1234567890' })
  readonly resourceName!: string;
}

export class CustomersResponse {
  @ApiProperty({ type: [CustomerResponse] })
  readonly data!: CustomerResponse[];
}

export class ConversionDto {
  @ApiProperty({ pattern: GOOGLE_ID_PATTERN, description: 'what it counts for' })
  @Matches(new RegExp(GOOGLE_ID_PATTERN), { message: '$property must be a string of up to 19 digits' })
  readonly conversionActionId!: string;

  @ApiProperty({
    pattern: TOKEN,
    example: 'order-1042',
    description: 'unique for the conversion action: one that is sent again is not counted again',
  })
  @Matches(new RegExp(TOKEN), { message: '$property must be 1 to 200 letters, digits or any of _.:~+/=-' })
  readonly transactionId!: string;

  @ApiProperty({ format: 'date-time', example: '2030-05-01T19:30:00Z' })
  @IsInstant()
  readonly occurredAt!: string;

  @ApiProperty({ pattern: TOKEN, description: 'the click on an advertisement that led to it' })
  @Matches(new RegExp(TOKEN), { message: '$property must be 1 to 200 letters, digits or any of _.:~+/=-' })
  readonly clickId!: string;

  @ApiPropertyOptional({
    enum: CLICK_ID_KINDS,
    enumName: 'ClickIdKind',
    default: 'gclid',
    description: "the parameter of the page's address that it was in",
  })
  @MayBeOmitted()
  @IsIn(CLICK_ID_KINDS)
  readonly clickIdKind?: ClickIdKind;

  @ApiPropertyOptional({ minimum: 0, maximum: 1_000_000_000, description: 'in the currency' })
  @MayBeOmitted()
  @IsNumber()
  @Min(0)
  @Max(1_000_000_000)
  readonly value?: number;

  @ApiPropertyOptional({ example: 'EUR', description: 'of ISO 4217; needed where there is a value' })
  @ValidateIf(({ value, currency }: ConversionDto) => value !== undefined || currency !== undefined)
  @IsISO4217CurrencyCode()
  readonly currency?: string;
}

export class UploadConversionsDto {
  @ApiProperty({ type: [ConversionDto], minItems: 1, maxItems: 2_000 })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(2_000)
  @ValidateNested({ each: true })
  @Type(() => ConversionDto)
  readonly conversions!: ConversionDto[];
}

export class ConversionFailureResponse {
  @ApiProperty({ type: 'integer', minimum: 0, description: 'the position among those that were sent' })
  readonly index!: number;

  @ApiProperty({ example: 'INVALID_CLICK_ID', description: "Google's own code" })
  readonly code!: string;

  @ApiProperty({ description: "Google's own words" })
  readonly message!: string;
}

export class UploadResponse {
  @ApiProperty({ type: 'integer', minimum: 0 })
  readonly accepted!: number;

  @ApiProperty({ type: [ConversionFailureResponse] })
  readonly failures!: readonly ConversionFailureResponse[];
}
