import { ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { IsEnum } from 'class-validator';
import { MayBeOmitted } from '../../common/validation/may-be-omitted.js';
import { CustomerStatus } from '../../generated/prisma/enums.js';
import { CreateCustomerDto } from './create-customer.dto.js';

/** Any subset of what a customer is created with, and the status. */
export class UpdateCustomerDto extends PartialType(CreateCustomerDto, { skipNullProperties: false }) {
  @ApiPropertyOptional({ enum: CustomerStatus, enumName: 'CustomerStatus' })
  @MayBeOmitted()
  @IsEnum(CustomerStatus)
  readonly status?: CustomerStatus;
}
