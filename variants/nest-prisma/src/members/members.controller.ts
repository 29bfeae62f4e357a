import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { CurrentPrincipal, ForMembers, Needs } from '../auth/access.guard.js';
import { AuthService } from '../auth/auth.service.js';
import type { Principal } from '../auth/principal.js';
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
    description: 'They are a member when they sign in with it, once it is verified.',
  })
  @ApiCreatedResponse({ type: InvitationResponse })
  @ApiProblems(400, 401, 403, 413, 415)
  async inviteMember(
    @CurrentPrincipal() { role }: Principal,
    @Body() body: InviteDto,
  ): Promise<InvitationResponse> {
    return this.members.invite(role ?? 'VIEWER', body.email, body.role);
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
  async changeRole(
    @CurrentPrincipal() { role }: Principal,
    @Param('userId', UuidPipe) userId: string,
    @Body() body: ChangeRoleDto,
  ): Promise<void> {
    await this.members.changeRole(role ?? 'VIEWER', userId, body.role);
    this.auth.forget();
  }

  @Delete(':userId')
  @Needs('ADMIN')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Remove a member' })
  @ApiParam(USER_ID)
  @ApiNoContentResponse({ description: 'They are no member any more' })
  @ApiProblems(400, 401, 403, 404, 409)
  async removeMember(
    @CurrentPrincipal() { role }: Principal,
    @Param('userId', UuidPipe) userId: string,
  ): Promise<void> {
    await this.members.remove(role ?? 'VIEWER', userId);
    this.auth.forget();
  }
}
