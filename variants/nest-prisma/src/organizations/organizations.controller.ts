import { Body, Controller, Get, Headers, Patch, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { CurrentPrincipal, ForMembers, ForPeople, Needs } from '../auth/access.guard.js';
import { AuthService } from '../auth/auth.service.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { etag, expectedVersion } from '../common/http/etag.js';
import { ETAG_HEADER, IF_MATCH } from '../common/http/etag-openapi.js';
import { OrganizationResponse, WriteOrganizationDto } from './dto/organization.dto.js';
import { OrganizationsService } from './organizations.service.js';

@ApiTags('organizations')
@Controller('api/v1/organizations')
export class OrganizationsController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly auth: AuthService,
  ) {}

  @Post()
  @ForPeople()
  @ApiOperation({ summary: 'Create an organization', description: 'Whoever creates it is its owner.' })
  @ApiCreatedResponse({ type: OrganizationResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403, 409, 413, 415)
  async createOrganization(
    @CurrentPrincipal() { identity }: Principal,
    @Body() { name }: WriteOrganizationDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OrganizationResponse> {
    if (identity.kind === 'service') throw new Error('the endpoint is for people');
    const organization = await this.organizations.create(identity, name);
    this.auth.forget();
    response.header('etag', etag(organization.version));
    return OrganizationResponse.of(organization);
  }

  @Get('current')
  @ForMembers()
  @ApiOperation({ summary: 'Get the organization that the request acts for' })
  @ApiOkResponse({ type: OrganizationResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403)
  async getOrganization(@Res({ passthrough: true }) response: Response): Promise<OrganizationResponse> {
    const organization = await this.organizations.current();
    response.header('etag', etag(organization.version));
    return OrganizationResponse.of(organization);
  }

  @Patch('current')
  @ForMembers()
  @Needs('ADMIN')
  @ApiOperation({ summary: 'Rename the organization' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: OrganizationResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403, 412, 413, 415, 428)
  async renameOrganization(
    @Headers('if-match') ifMatch: string | undefined,
    @Body() { name }: WriteOrganizationDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OrganizationResponse> {
    const version = await expectedVersion(ifMatch, async () => (await this.organizations.current()).version);
    const organization = await this.organizations.rename(version, name);
    response.header('etag', etag(organization.version));
    return OrganizationResponse.of(organization);
  }
}
