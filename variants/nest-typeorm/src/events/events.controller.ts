import { Body, Controller, Get, Headers, HttpStatus, Param, Patch, Post, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiNotModifiedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { etag, expectedVersion, matchesNone } from '../common/http/etag.js';
import { ETAG_HEADER, IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED } from '../common/http/etag-openapi.js';
import type { Page } from '../common/pagination/page.js';
import { UuidPipe } from '../common/validation/uuid.pipe.js';
import { CreateEventDto } from './dto/create-event.dto.js';
import { EventPage, EventResponse } from './dto/event-response.dto.js';
import { ListEventsQuery } from './dto/list-events.query.js';
import { UpdateEventDto } from './dto/update-event.dto.js';
import { EventsService } from './events.service.js';

const LOCATION = { location: { description: 'where the event is', schema: { type: 'string' as const } } };

@ApiTags('events')
@Controller('events')
export class EventsController {
  constructor(private readonly events: EventsService) {}

  @Post()
  @ApiOperation({ summary: 'Create an event' })
  @ApiCreatedResponse({ type: EventResponse, headers: { ...LOCATION, ...ETAG_HEADER } })
  @ApiProblems(400, 413, 415)
  async createEvent(
    @Body() body: CreateEventDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EventResponse> {
    const event = await this.events.create(body);
    reply.header('location', `/events/${event.id}`).header('etag', etag(event.version, event.sold));
    return EventResponse.of(event);
  }

  @Get()
  @ApiOperation({ summary: 'List events by their start' })
  @ApiOkResponse({ type: EventPage })
  @ApiProblems(400)
  async listEvents(@Query() query: ListEventsQuery): Promise<Page<EventResponse>> {
    return this.events.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get an event' })
  @ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } })
  @ApiHeader(IF_NONE_MATCH)
  @ApiOkResponse({ type: EventResponse, headers: ETAG_HEADER })
  @ApiNotModifiedResponse(NOT_MODIFIED)
  @ApiProblems(400, 404)
  async getEvent(
    @Param('id', UuidPipe) id: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EventResponse | undefined> {
    const event = await this.events.get(id);
    reply.header('etag', etag(event.version, event.sold));
    if (matchesNone(ifNoneMatch, event.version, event.sold)) {
      reply.status(HttpStatus.NOT_MODIFIED);
      return undefined;
    }
    return EventResponse.of(event);
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Change an event',
    description: 'Optimistic locking: If-Match names the version that the change is meant for.',
  })
  @ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ type: EventResponse, headers: ETAG_HEADER })
  @ApiProblems(400, 404, 409, 412, 413, 415, 428)
  async updateEvent(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body: UpdateEventDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<EventResponse> {
    const version = await expectedVersion(ifMatch, async () => (await this.events.get(id)).version);
    const event = await this.events.update(id, version, body);
    reply.header('etag', etag(event.version, event.sold));
    return EventResponse.of(event);
  }
}
