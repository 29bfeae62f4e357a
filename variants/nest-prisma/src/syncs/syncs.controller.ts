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
import type { Page } from '../common/pagination/keyset.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { Database } from '../database/database.js';
import { ListSyncsQuery } from './dto/list-syncs.query.js';
import { StartSyncDto } from './dto/start-sync.dto.js';
import { SyncPage, SyncResponse } from './dto/sync-response.dto.js';
import { SyncGuard } from './sync.guard.js';
import { SyncsService } from './syncs.service.js';

const PATH = 'api/v1/syncs';
const ID = { name: 'id', schema: { type: 'string' as const, format: 'uuid' } };
const LOCATION = { location: { description: 'where the sync is', schema: { type: 'string' as const } } };

@ApiTags('syncs')
@ForMembers()
@Controller(PATH)
export class SyncsController {
  constructor(
    private readonly syncs: SyncsService,
    private readonly changes: ChangeFeed,
    private readonly database: Database,
  ) {}

  @Post()
  @Needs('MEMBER')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Sync a connection now',
    description: 'Every connection is synced from time to time. Where that is under way, it is this one.',
  })
  @ApiAcceptedResponse({ type: SyncResponse, headers: LOCATION })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async startSync(
    @Body() { connectionId }: StartSyncDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<SyncResponse> {
    const run = await this.syncs.start(connectionId);
    response.location(`/${PATH}/${run.id}`);
    return SyncResponse.of(run);
  }

  @Get()
  @ApiOperation({ summary: 'List syncs' })
  @ApiOkResponse({ type: SyncPage })
  @ApiProblems(400, 401, 403)
  async listSyncs(@Query() query: ListSyncsQuery): Promise<Page<SyncResponse>> {
    return this.syncs.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a sync' })
  @ApiParam(ID)
  @ApiOkResponse({ type: SyncResponse })
  @ApiProblems(400, 401, 403, 404)
  async getSync(@Param('id', UuidPipe) id: string): Promise<SyncResponse> {
    return SyncResponse.of(await this.syncs.get(id));
  }

  @Sse(':id/events')
  @UseGuards(StreamLimitGuard, SyncGuard)
  @ApiOperation({
    summary: 'Follow a sync',
    description: 'Each event `state` is the sync as `GET` has it. The stream ends with the last one.',
  })
  @ApiParam(ID)
  @ApiHeader(LAST_EVENT_ID)
  @ApiOkResponse(EVENT_STREAM)
  @ApiProblems(400, 401, 403, 404)
  followSync(
    @Param('id', UuidPipe) id: string,
    @Headers('last-event-id') seen: string | undefined,
  ): Observable<MessageEvent> {
    const { scope } = this.database;
    return stateEvents({
      seen: lastEventId(seen),
      changes: this.changes.of(id),
      read: () => this.database.run(scope, async () => SyncResponse.of(await this.syncs.get(id))),
      version: ({ updatedAt }) => updatedAt.getTime(),
      isFinal: ({ finishedAt }) => finishedAt !== null,
    });
  }
}
