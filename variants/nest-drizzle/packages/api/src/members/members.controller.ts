import {
  type AcceptInvitation,
  acceptInvitation,
  type CreateInvitation,
  createInvitation,
  type Invitation,
  invitation,
  type Member,
  member,
  memberPage,
  type PendingInvitation,
  pageQuery,
  pendingInvitationPage,
  type Session,
  session,
  type UpdateMember,
  updateMember,
} from '@app/shared';
import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  HttpStatus,
  Ip,
  Param,
  Patch,
  Post,
  Query,
} from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { z } from 'zod';
import { CurrentPrincipal, Needs, Public } from '../auth/access.guard.js';
import type { Principal } from '../auth/tokens.service.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import type { Page } from '../common/pagination/page.js';
import { Answer } from '../common/validation/answer.js';
import { InvitationsService } from './invitations.service.js';
import { MembersService } from './members.service.js';

const uuid = z.uuid();

@ApiTags('members')
@Controller()
export class MembersController {
  constructor(
    private readonly members: MembersService,
    private readonly invitations: InvitationsService,
  ) {}

  @Get('members')
  @ApiBearerAuth()
  @ApiOperation({ summary: 'List the members of the tenant' })
  @ApiOkResponse({ standardSchema: memberPage })
  @ApiProblems(400, 401)
  @Answer(memberPage)
  async listMembers(@Query({ schema: pageQuery }) query: z.output<typeof pageQuery>): Promise<Page<Member>> {
    return this.members.list(query);
  }

  @Patch('members/:userId')
  @Needs('admin')
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Give a member another role',
    description: 'For admins; only owners make owners.',
  })
  @ApiOkResponse({ standardSchema: member })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  @Answer(member)
  async changeRole(
    @CurrentPrincipal() principal: Principal,
    @Param('userId', { schema: uuid }) userId: string,
    @Body({ schema: updateMember }) body: UpdateMember,
  ): Promise<Member> {
    return this.members.setRole(principal, userId, body.role);
  }

  @Delete('members/:userId')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiBearerAuth()
  @ApiOperation({ summary: 'Take a member out of the tenant', description: 'For admins, and for oneself.' })
  @ApiNoContentResponse()
  @ApiProblems(400, 401, 403, 404, 409)
  async removeMember(
    @CurrentPrincipal() principal: Principal,
    @Param('userId', { schema: uuid }) userId: string,
  ): Promise<void> {
    await this.members.remove(principal, userId);
  }

  @Post('invitations')
  @Needs('admin')
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Invite somebody to the tenant',
    description: 'For admins. The token is sent by mail to the address, and nowhere else.',
  })
  @ApiCreatedResponse({ standardSchema: invitation })
  @ApiProblems(400, 401, 403, 413, 415)
  @Answer(invitation)
  async inviteMember(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: createInvitation }) body: CreateInvitation,
  ): Promise<Invitation> {
    return this.invitations.create(principal, body);
  }

  @Get('invitations')
  @Needs('admin')
  @ApiBearerAuth()
  @ApiOperation({ summary: 'List the pending invitations of the tenant', description: 'For admins.' })
  @ApiOkResponse({ standardSchema: pendingInvitationPage })
  @ApiProblems(400, 401, 403)
  @Answer(pendingInvitationPage)
  async listInvitations(
    @Query({ schema: pageQuery }) query: z.output<typeof pageQuery>,
  ): Promise<Page<PendingInvitation>> {
    return this.invitations.list(query);
  }

  @Delete('invitations/:id')
  @Needs('admin')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Withdraw an invitation',
    description: 'For admins; only owners withdraw invitations of owners.',
  })
  @ApiNoContentResponse()
  @ApiProblems(400, 401, 403, 404)
  async withdrawInvitation(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: uuid }) id: string,
  ): Promise<void> {
    await this.invitations.withdraw(principal, id);
  }

  @Public()
  @Post('auth/accept-invitation')
  @HttpCode(HttpStatus.OK)
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Become a member, with a new account or the one of the address' })
  @ApiOkResponse({ standardSchema: session })
  @ApiProblems(400, 401, 404, 409, 413, 415)
  @Answer(session)
  async acceptInvitation(
    @Body({ schema: acceptInvitation }) body: AcceptInvitation,
    @Ip() address: string,
  ): Promise<Session> {
    return this.invitations.accept(body, address);
  }
}
