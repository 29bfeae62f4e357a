import { ApiProperty } from '@nestjs/swagger';
import { PageInfo } from '../../common/pagination/page.dto.js';
import type { Tracking } from '../../generated/prisma/client.js';
import { TrackingKind, TrackingStatus } from '../../generated/prisma/enums.js';

export class TrackingResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty({ format: 'uuid' })
  readonly customerId!: string;

  @ApiProperty()
  readonly name!: string;

  @ApiProperty({ enum: TrackingKind, enumName: 'TrackingKind' })
  readonly kind!: TrackingKind;

  @ApiProperty({ type: String, nullable: true })
  readonly selector!: string | null;

  @ApiProperty({ enum: TrackingStatus, enumName: 'TrackingStatus' })
  readonly status!: TrackingStatus;

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

  static of(tracking: Tracking): TrackingResponse {
    const { id, customerId, name, kind, selector, status } = tracking;
    const { version, createdAt, updatedAt, createdBy, deletedAt } = tracking;
    return {
      id,
      customerId,
      name,
      kind,
      selector,
      status,
      version,
      createdAt,
      updatedAt,
      createdBy,
      deletedAt,
    };
  }
}

export class TrackingPage {
  @ApiProperty({ type: [TrackingResponse] })
  readonly data!: TrackingResponse[];

  @ApiProperty({ type: PageInfo })
  readonly page!: PageInfo;
}
