import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  HttpStatus,
  type MessageEvent,
  Param,
  Post,
  Query,
  Res,
  Sse,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import type { Observable } from 'rxjs';
import { ForMembers, Needs } from '../auth/access.guard.js';
import { ChangeFeed } from '../common/changes/change-feed.js';
import { lastEventId, stateEvents } from '../common/changes/state-events.js';
import { EVENT_STREAM, LAST_EVENT_ID } from '../common/changes/state-events-openapi.js';
import { StreamLimitGuard } from '../common/changes/stream-limit.guard.js';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import {
  IDEMPOTENCY_KEY_HEADER,
  IdempotencyInterceptor,
} from '../common/idempotency/idempotency.interceptor.js';
import type { Page } from '../common/pagination/keyset.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { Database } from '../database/database.js';
import { CreateTrackingSetupDto } from './dto/create-tracking-setup.dto.js';
import { ListTrackingSetupsQuery } from './dto/list-tracking-setups.query.js';
import { TrackingSetupPage, TrackingSetupResponse } from './dto/tracking-setup-response.dto.js';
import { TrackingSetupGuard } from './tracking-setup.guard.js';
import { TrackingSetupsService } from './tracking-setups.service.js';

const PATH = 'api/v1/tracking-setups';
const ID = { name: 'id', schema: { type: 'string' as const, format: 'uuid' } };
const LOCATION = { location: { description: 'where the set-up is', schema: { type: 'string' as const } } };

@ApiTags('tracking set-ups')
@ForMembers()
@Controller(PATH)
export class TrackingSetupsController {
  constructor(
    private readonly setups: TrackingSetupsService,
    private readonly changes: ChangeFeed,
    private readonly database: Database,
  ) {}

  @Post()
  @Needs('MEMBER')
  @HttpCode(HttpStatus.ACCEPTED)
  @UseInterceptors(IdempotencyInterceptor)
  @ApiOperation({
    summary: 'Set a tracking up at Google',
    description:
      'Jobs do so, step by step. If one fails for good, what was made is removed again. A tracking that is set up is refused: ' +
      'change it, or delete and restore it first. Of a tracking, one operation is under way at a time.',
  })
  @ApiHeader(IDEMPOTENCY_KEY_HEADER)
  @ApiAcceptedResponse({ type: TrackingSetupResponse, headers: LOCATION })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422)
  async startTrackingSetup(
    @Body() body: CreateTrackingSetupDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TrackingSetupResponse> {
    const setup = await this.setups.start(body);
    response.location(`/${PATH}/${setup.id}`);
    return TrackingSetupResponse.of(setup);
  }

  @Get()
  @ApiOperation({ summary: 'List setups, changes and deletions of trackings at Google' })
  @ApiOkResponse({ type: TrackingSetupPage })
  @ApiProblems(400, 401, 403)
  async listTrackingSetups(@Query() query: ListTrackingSetupsQuery): Promise<Page<TrackingSetupResponse>> {
    return this.setups.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get an operation, and how far it is' })
  @ApiParam(ID)
  @ApiOkResponse({ type: TrackingSetupResponse })
  @ApiProblems(400, 401, 403, 404)
  async getTrackingSetup(@Param('id', UuidPipe) id: string): Promise<TrackingSetupResponse> {
    return TrackingSetupResponse.of(await this.setups.get(id));
  }

  @Sse(':id/events')
  @UseGuards(StreamLimitGuard, TrackingSetupGuard)
  @ApiOperation({
    summary: 'Follow an operation',
    description: 'Each event `state` is the operation as `GET` has it. The stream ends with the last one.',
  })
  @ApiParam(ID)
  @ApiHeader(LAST_EVENT_ID)
  @ApiOkResponse(EVENT_STREAM)
  @ApiProblems(400, 401, 403, 404)
  followTrackingSetup(
    @Param('id', UuidPipe) id: string,
    @Headers('last-event-id') seen: string | undefined,
  ): Observable<MessageEvent> {
    const { scope } = this.database;
    return stateEvents({
      seen: lastEventId(seen),
      changes: this.changes.of(id),
      read: () => this.database.run(scope, async () => TrackingSetupResponse.of(await this.setups.get(id))),
      version: ({ version }) => version,
      isFinal: ({ finishedAt }) => finishedAt !== null,
    });
  }
}
