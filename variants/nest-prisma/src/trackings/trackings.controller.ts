import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  HttpStatus,
  Param,
  Patch,
  Post,
  Query,
  Res,
  UseInterceptors,
} from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiNotModifiedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { ForMembers, Needs } from '../auth/access.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { etag, matchesNone, requiredVersion } from '../common/http/etag.js';
import { ETAG_HEADER, IF_MATCH } from '../common/http/etag-openapi.js';
import {
  IDEMPOTENCY_KEY_HEADER,
  IdempotencyInterceptor,
} from '../common/idempotency/idempotency.interceptor.js';
import type { Page } from '../common/pagination/keyset.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { CreateTrackingDto } from './dto/create-tracking.dto.js';
import { ListTrackingsQuery } from './dto/list-trackings.query.js';
import { TrackingPage, TrackingResponse } from './dto/tracking-response.dto.js';
import { UpdateTrackingDto } from './dto/update-tracking.dto.js';
import { TrackingsService } from './trackings.service.js';

const PATH = 'api/v1/trackings';
const ID = { name: 'id', schema: { type: 'string' as const, format: 'uuid' } };
const LOCATION = { location: { description: 'where the tracking is', schema: { type: 'string' as const } } };

@ApiTags('trackings')
@ForMembers()
@Controller(PATH)
export class TrackingsController {
  constructor(private readonly trackings: TrackingsService) {}

  @Post()
  @Needs('MEMBER')
  @UseInterceptors(IdempotencyInterceptor)
  @ApiOperation({ summary: 'Create a tracking' })
  @ApiHeader(IDEMPOTENCY_KEY_HEADER)
  @ApiCreatedResponse({ type: TrackingResponse, headers: { ...LOCATION, ...ETAG_HEADER } })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422)
  async createTracking(
    @Body() body: CreateTrackingDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TrackingResponse> {
    const tracking = await this.trackings.create(body);
    response.location(`/${PATH}/${tracking.id}`).header('etag', etag(tracking.version));
    return TrackingResponse.of(tracking);
  }

  @Get()
  @ApiOperation({ summary: 'List trackings' })
  @ApiOkResponse({ type: TrackingPage })
  @ApiProblems(400, 401, 403)
  async listTrackings(@Query() query: ListTrackingsQuery): Promise<Page<TrackingResponse>> {
    return this.trackings.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a tracking' })
  @ApiParam(ID)
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'ETags already held',
    schema: { type: 'string' },
  })
  @ApiOkResponse({ type: TrackingResponse, headers: ETAG_HEADER })
  @ApiNotModifiedResponse({
    description: 'The tracking is still at the version that If-None-Match names',
    headers: ETAG_HEADER,
  })
  @ApiProblems(400, 401, 403, 404)
  async getTracking(
    @Param('id', UuidPipe) id: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TrackingResponse | undefined> {
    const tracking = await this.trackings.get(id);
    response.header('etag', etag(tracking.version));
    if (matchesNone(ifNoneMatch, tracking.version)) {
      response.status(HttpStatus.NOT_MODIFIED);
      return undefined;
    }
    return TrackingResponse.of(tracking);
  }

  @Patch(':id')
  @Needs('MEMBER')
  @ApiOperation({
    summary: 'Change a tracking',
    description: 'Optimistic locking: If-Match names the version that the change is meant for.',
  })
  @ApiParam(ID)
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: TrackingResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403, 404, 409, 412, 413, 415, 428)
  async updateTracking(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body: UpdateTrackingDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TrackingResponse> {
    const tracking = await this.trackings.update(id, requiredVersion(ifMatch), body);
    response.header('etag', etag(tracking.version));
    return TrackingResponse.of(tracking);
  }

  @Delete(':id')
  @Needs('MEMBER')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Delete a tracking', description: 'It can be restored.' })
  @ApiParam(ID)
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse({ description: 'It is deleted' })
  @ApiProblems(400, 401, 403, 404, 412, 428)
  async deleteTracking(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.trackings.remove(id, requiredVersion(ifMatch));
  }

  @Post(':id/restore')
  @Needs('MEMBER')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Restore a deleted tracking' })
  @ApiParam(ID)
  @ApiOkResponse({ type: TrackingResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 401, 403, 404, 409)
  async restoreTracking(
    @Param('id', UuidPipe) id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TrackingResponse> {
    const tracking = await this.trackings.restore(id);
    response.header('etag', etag(tracking.version));
    return TrackingResponse.of(tracking);
  }
}
