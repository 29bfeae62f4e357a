import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { ForMembers, Needs } from '../auth/access.guard.js';
import { AuthService } from '../auth/auth.service.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { ChangeRoleDto, InvitationResponse, InviteDto, MembersResponse } from './dto/members.dto.js';
import { MembersService } from './members.service.js';

const USER_ID = { name: 'userId', schema: { type: 'string' as const, format: 'uuid' } };

@ApiTags('members')
@ForMembers()
@Controller('api/v1/members')
export class MembersController {
  constructor(
    private readonly members: MembersService,
    private readonly auth: AuthService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List the members of the organization, and those who are invited' })
  @ApiOkResponse({ type: MembersResponse })
  @ApiProblems(400, 401, 403)
  async listMembers(): Promise<MembersResponse> {
    return this.members.list();
  }

  @Post('invitations')
  @Needs('ADMIN')
  @ApiOperation({
    summary: 'Invite somebody by their address',
    description:
      'They are a member once they accept it (POST /api/v1/me/invitations/{organizationId}/accept), by a verified address.',
  })
  @ApiCreatedResponse({ type: InvitationResponse })
  @ApiProblems(400, 401, 403, 409, 413, 415)
  async inviteMember(@Body() body: InviteDto): Promise<InvitationResponse> {
    return this.members.invite(body.email, body.role);
  }

  @Delete('invitations/:email')
  @Needs('ADMIN')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Withdraw an invitation' })
  @ApiParam({ name: 'email', schema: { type: 'string', format: 'email' } })
  @ApiNoContentResponse({ description: 'It is withdrawn' })
  @ApiProblems(400, 401, 403, 404)
  async withdrawInvitation(@Param('email') email: string): Promise<void> {
    await this.members.withdraw(email);
  }

  @Patch(':userId')
  @Needs('ADMIN')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Change the role of a member' })
  @ApiParam(USER_ID)
  @ApiNoContentResponse({ description: 'It is changed' })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async changeRole(@Param('userId', UuidPipe) userId: string, @Body() body: ChangeRoleDto): Promise<void> {
    await this.members.changeRole(userId, body.role);
    this.auth.forget();
  }

  @Delete(':userId')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Remove a member, or leave the organization',
    description: 'The role ADMIN is needed to remove others. The last owner cannot leave.',
  })
  @ApiParam(USER_ID)
  @ApiNoContentResponse({ description: 'They are no member any more' })
  @ApiProblems(400, 401, 403, 404, 409)
  async removeMember(@Param('userId', UuidPipe) userId: string): Promise<void> {
    await this.members.remove(userId);
    this.auth.forget();
  }
}
