import { ApiProperty } from '@nestjs/swagger';
import { Role } from '../../generated/prisma/enums.js';

export class OwnInvitationResponse {
  @ApiProperty({ format: 'uuid' })
  readonly organizationId!: string;

  @ApiProperty()
  readonly organizationName!: string;

  @ApiProperty({ enum: Role, enumName: 'Role' })
  readonly role!: Role;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;
}

export class OwnInvitationsResponse {
  @ApiProperty({ type: [OwnInvitationResponse], description: 'the latest 100, the latest first' })
  readonly data!: OwnInvitationResponse[];
}
