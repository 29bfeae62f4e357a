import { ApiProperty } from '@nestjs/swagger';
import { PageInfo } from '../../common/pagination/page.dto.js';
import type { Customer } from '../../generated/prisma/client.js';
import { CustomerStatus } from '../../generated/prisma/enums.js';

export class CustomerResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty()
  readonly name!: string;

  @ApiProperty({ format: 'email' })
  readonly email!: string;

  @ApiProperty({ type: String, format: 'uri', nullable: true })
  readonly websiteUrl!: string | null;

  @ApiProperty({ enum: CustomerStatus, enumName: 'CustomerStatus' })
  readonly status!: CustomerStatus;

  @ApiProperty({ type: 'integer', description: 'raised by every change; the ETag is this in double quotes' })
  readonly version!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly updatedAt!: Date;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'the user who created it' })
  readonly createdBy!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly deletedAt!: Date | null;

  static of(customer: Customer): CustomerResponse {
    const { id, name, email, websiteUrl, status, version, createdAt, updatedAt, createdBy, deletedAt } =
      customer;
    return { id, name, email, websiteUrl, status, version, createdAt, updatedAt, createdBy, deletedAt };
  }
}

export class CustomerPage {
  @ApiProperty({ type: [CustomerResponse] })
  readonly data!: CustomerResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
