import { ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { MayBeOmitted } from '../../common/validation/may-be-omitted.js';
import { CreateTrackingDto } from './create-tracking.dto.js';

/** What clients may ask for. Google confirms it; the other statuses come from the setup. */
const STATUSES = ['ACTIVE', 'PAUSED'] as const;

/** Any subset of what a tracking is created with, but for its customer, and whether it is to be paused. */
export class UpdateTrackingDto extends PartialType(OmitType(CreateTrackingDto, ['customerId']), {
  skipNullProperties: false,
}) {
  @ApiPropertyOptional({
    enum: STATUSES,
    description: 'of a tracking that is set up: the status that it is to have at Google',
  })
  @MayBeOmitted()
  @IsIn(STATUSES)
  readonly status?: (typeof STATUSES)[number];
}
