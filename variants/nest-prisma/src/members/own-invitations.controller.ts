import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, ForPeople } from '../auth/access.guard.js';
import { AuthService } from '../auth/auth.service.js';
import type { Identity, Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { OwnInvitationsResponse } from './dto/own-invitations.dto.js';
import { OwnInvitationsService } from './own-invitations.service.js';

const ORGANIZATION_ID = {
  name: 'organizationId',
  schema: { type: 'string' as const, format: 'uuid' },
};

@ApiTags('me')
@ForPeople()
@Controller('api/v1/me/invitations')
export class OwnInvitationsController {
  constructor(
    private readonly invitations: OwnInvitationsService,
    private readonly auth: AuthService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'List the invitations to your verified address',
    description: 'An invitation changes nothing until you accept it.',
  })
  @ApiOkResponse({ type: OwnInvitationsResponse })
  @ApiProblems(401, 403)
  async listOwnInvitations(@CurrentPrincipal() principal: Principal): Promise<OwnInvitationsResponse> {
    return { data: await this.invitations.list(personOf(principal)) };
  }

  @Post(':organizationId/accept')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Accept an invitation',
    description: 'You are a member of the organization then.',
  })
  @ApiParam(ORGANIZATION_ID)
  @ApiNoContentResponse({ description: 'It is accepted' })
  @ApiProblems(400, 401, 403, 404, 409)
  async acceptInvitation(
    @CurrentPrincipal() principal: Principal,
    @Param('organizationId', UuidPipe) organizationId: string,
  ): Promise<void> {
    await this.invitations.accept(personOf(principal), organizationId);
    this.auth.forget();
  }

  @Delete(':organizationId')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Decline an invitation' })
  @ApiParam(ORGANIZATION_ID)
  @ApiNoContentResponse({ description: 'It is declined' })
  @ApiProblems(400, 401, 403, 404)
  async declineInvitation(
    @CurrentPrincipal() principal: Principal,
    @Param('organizationId', UuidPipe) organizationId: string,
  ): Promise<void> {
    await this.invitations.decline(personOf(principal), organizationId);
  }
}

function personOf({ identity }: Principal): Identity {
  if (identity.kind === 'service') throw new Error('the endpoint is for people');
  return identity;
}
