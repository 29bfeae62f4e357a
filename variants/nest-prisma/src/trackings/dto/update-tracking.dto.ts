import { ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { MayBeOmitted } from '../../common/validation/may-be-omitted.js';
import { CreateTrackingDto } from './create-tracking.dto.js';

/** What people set; the other statuses are those of the set-up. */
const STATUSES = ['ACTIVE', 'PAUSED'] as const;

/** Any subset of what a tracking is created with, but for its customer, and whether it is paused. */
export class UpdateTrackingDto extends PartialType(OmitType(CreateTrackingDto, ['customerId']), {
  skipNullProperties: false,
}) {
  @ApiPropertyOptional({ enum: STATUSES })
  @MayBeOmitted()
  @IsIn(STATUSES)
  readonly status?: (typeof STATUSES)[number];
}
