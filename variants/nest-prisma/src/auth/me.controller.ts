import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { Role } from '../generated/prisma/enums.js';
import { CurrentPrincipal, ForPeople } from './access.guard.js';
import type { Principal } from './principal.js';
import { UsersService } from './users.service.js';

class OwnMembershipResponse {
  @ApiProperty({ format: 'uuid' })
  readonly organizationId!: string;

  @ApiProperty()
  readonly organizationName!: string;

  @ApiProperty({ enum: Role, enumName: 'Role' })
  readonly role!: Role;
}

class MeResponse {
  @ApiProperty({ format: 'uuid' })
  readonly userId!: string;

  @ApiProperty({
    type: [OwnMembershipResponse],
    description: 'the organizations that X-Organization-Id may name',
  })
  readonly memberships!: OwnMembershipResponse[];
}

@ApiTags('me')
@ForPeople()
@Controller('api/v1/me')
export class MeController {
  constructor(private readonly users: UsersService) {}

  @Get()
  @ApiOperation({ summary: 'Who is signed in, and of what they are a member' })
  @ApiOkResponse({ type: MeResponse })
  @ApiProblems(401, 403)
  async getMe(@CurrentPrincipal() { identity }: Principal): Promise<MeResponse> {
    if (identity.kind === 'service') throw new Error('the endpoint is for people');
    return { userId: identity.userId, memberships: await this.users.memberships(identity) };
  }
}
