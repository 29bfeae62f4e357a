import { ApiProperty } from '@nestjs/swagger';
import { IsPlainText } from '../../common/validation/is-plain-text.js';
import type { Organization } from '../../generated/prisma/client.js';

export class WriteOrganizationDto {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Acme' })
  @IsPlainText({ min: 1, max: 200 })
  readonly name!: string;
}

export class OrganizationResponse {
  @ApiProperty({ format: 'uuid' })
  readonly id!: string;

  @ApiProperty()
  readonly name!: string;

  @ApiProperty({ type: 'integer', description: 'raised by every change; the ETag is this in double quotes' })
  readonly version!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly updatedAt!: Date;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'the user who created it' })
  readonly createdBy!: string | null;

  static of({ id, name, version, createdAt, updatedAt, createdBy }: Organization): OrganizationResponse {
    return { id, name, version, createdAt, updatedAt, createdBy };
  }
}
