import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsEnum, IsUUID } from 'class-validator';
import { IsPlainText } from '../../common/validation/is-plain-text.js';
import { MayBeOmitted } from '../../common/validation/may-be-omitted.js';
import { TrackingKind } from '../../generated/prisma/enums.js';

export class CreateTrackingDto {
  @ApiProperty({ format: 'uuid', description: 'the customer whose visitors are counted' })
  @IsUUID('all')
  readonly customerId!: string;

  @ApiProperty({
    minLength: 1,
    maxLength: 200,
    example: 'Order button',
    description: 'unique among the trackings of the customer',
  })
  @IsPlainText({ min: 1, max: 200 })
  readonly name!: string;

  @ApiProperty({ enum: TrackingKind, enumName: 'TrackingKind' })
  @IsEnum(TrackingKind)
  readonly kind!: TrackingKind;

  @ApiPropertyOptional({
    maxLength: 500,
    example: '#order',
    description: 'a CSS selector, for the kinds that watch an element',
  })
  @MayBeOmitted()
  @IsPlainText({ min: 1, max: 500 })
  readonly selector?: string;
}
