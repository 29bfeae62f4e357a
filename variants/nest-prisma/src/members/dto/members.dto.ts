import { ApiProperty } from '@nestjs/swagger';
import { IsEnum } from 'class-validator';
import { IsEmailAddress } from '../../common/validation/is-email-address.js';
import { Role } from '../../generated/prisma/enums.js';

export class ChangeRoleDto {
  @ApiProperty({ enum: Role, enumName: 'Role' })
  @IsEnum(Role)
  readonly role!: Role;
}

export class InviteDto extends ChangeRoleDto {
  @ApiProperty({ format: 'email', maxLength: 254, example: 'grace@example.com' })
  @IsEmailAddress()
  readonly email!: string;
}

export class MemberResponse {
  @ApiProperty({ format: 'uuid' })
  readonly userId!: string;

  @ApiProperty({ format: 'email' })
  readonly email!: string;

  @ApiProperty({ type: String, nullable: true })
  readonly name!: string | null;

  @ApiProperty({ enum: Role, enumName: 'Role' })
  readonly role!: Role;

  @ApiProperty({ type: String, format: 'date-time', description: 'when they became a member' })
  readonly createdAt!: Date;
}

export class InvitationResponse {
  @ApiProperty({ format: 'email' })
  readonly email!: string;

  @ApiProperty({ enum: Role, enumName: 'Role' })
  readonly role!: Role;

  @ApiProperty({ type: String, format: 'date-time' })
  readonly createdAt!: Date;
}

/** An organization has few enough members for one page. */
export class MembersResponse {
  @ApiProperty({ type: [MemberResponse] })
  readonly members!: MemberResponse[];

  @ApiProperty({
    type: [InvitationResponse],
    description: 'those that were not accepted yet, at most 200',
  })
  readonly invitations!: InvitationResponse[];
}
