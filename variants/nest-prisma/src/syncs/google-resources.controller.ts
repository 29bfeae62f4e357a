import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ForMembers } from '../auth/access.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import type { Page } from '../common/pagination/keyset.js';
import {
  GoogleResourcePage,
  GoogleResourceResponse,
  ListGoogleResourcesQuery,
} from './dto/google-resource.dto.js';
import { GoogleResourcesService } from './google-resources.service.js';

@ApiTags('syncs')
@ForMembers()
@Controller('api/v1/google-resources')
export class GoogleResourcesController {
  constructor(private readonly resources: GoogleResourcesService) {}

  @Get()
  @ApiOperation({ summary: 'List what the connections reach at Google', description: 'As of the last sync.' })
  @ApiOkResponse({ type: GoogleResourcePage })
  @ApiProblems(400, 401, 403)
  async listGoogleResources(@Query() query: ListGoogleResourcesQuery): Promise<Page<GoogleResourceResponse>> {
    return this.resources.list(query);
  }
}
