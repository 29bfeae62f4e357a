import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsUrl } from 'class-validator';
import { IsEmailAddress } from '../../common/validation/is-email-address.js';
import { IsPlainText } from '../../common/validation/is-plain-text.js';
import { MayBeOmitted } from '../../common/validation/may-be-omitted.js';

export class CreateCustomerDto {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Corner Bakery' })
  @IsPlainText({ min: 1, max: 200 })
  readonly name!: string;

  @ApiProperty({
    format: 'email',
    maxLength: 254,
    example: 'hello@bakery.example',
    description: 'unique among the customers of the organization, in whatever case',
  })
  @IsEmailAddress()
  readonly email!: string;

  @ApiPropertyOptional({ format: 'uri', maxLength: 2_000, example: 'https://bakery.example' })
  @MayBeOmitted()
  @IsUrl({ protocols: ['http', 'https'], require_protocol: true })
  @IsPlainText({ min: 1, max: 2_000 })
  readonly websiteUrl?: string;
}
