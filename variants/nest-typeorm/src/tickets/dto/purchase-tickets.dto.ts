import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsDefined, IsInt, IsObject, Max, Min, ValidateNested } from 'class-validator';
import { IsEmailAddress } from '../../common/validation/is-email-address.js';
import { IsPlainText } from '../../common/validation/is-plain-text.js';

export const MAX_QUANTITY = 10;

export class BuyerDto {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Ada Lovelace' })
  @IsPlainText({ min: 1, max: 200 })
  readonly name!: string;

  @ApiProperty({ format: 'email', maxLength: 254, example: 'ada@example.com' })
  @IsEmailAddress()
  readonly email!: string;
}

export class PurchaseTicketsDto {
  @ApiProperty({ type: 'integer', minimum: 1, maximum: MAX_QUANTITY, example: 2 })
  @IsInt()
  @Min(1)
  @Max(MAX_QUANTITY)
  readonly quantity!: number;

  @ApiProperty({ type: BuyerDto })
  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => BuyerDto)
  readonly buyer!: BuyerDto;
}
