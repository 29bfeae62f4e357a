import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { decodeCursor } from '../common/pagination/cursor.js';
import { type Page, toPage } from '../common/pagination/page.js';
import type { CreateEventDto } from './dto/create-event.dto.js';
import { EventResponse } from './dto/event-response.dto.js';
import type { ListEventsQuery } from './dto/list-events.query.js';
import type { UpdateEventDto } from './dto/update-event.dto.js';
import { Event } from './event.entity.js';
import { CapacityBelowSoldError, EventNotFoundError, VersionConflictError } from './events.errors.js';
import { EventsRepository } from './events.repository.js';

@Injectable()
export class EventsService {
  constructor(private readonly events: EventsRepository) {}

  async create({ startsAt, description = '', ...rest }: CreateEventDto): Promise<Event> {
    const event = Object.assign(new Event(), {
      id: uuidv7(),
      description,
      startsAt: new Date(startsAt),
      sold: 0,
      soldOut: false,
      ...rest,
    });
    await this.events.insert(event);
    return event;
  }

  /** @throws EventNotFoundError */
  async get(id: string): Promise<Event> {
    const event = await this.events.findById(id);
    if (event === null) throw new EventNotFoundError(id);
    return event;
  }

  async list({ limit, cursor, from, to, available, q }: ListEventsQuery): Promise<Page<EventResponse>> {
    const filter = {
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
      available,
      q,
    };
    const rows = await this.events.find(
      filter,
      cursor === undefined ? undefined : decodeCursor(cursor),
      limit,
    );
    return toPage(rows, limit, ({ startsAt, id }) => ({ time: startsAt, id }), EventResponse.of);
  }

  /**
   * Changes an event that is still at `version` (optimistic locking): of two who read the same version, the second
   * is told to read again. No lock is held between reading and writing.
   *
   * @throws EventNotFoundError, VersionConflictError, CapacityBelowSoldError
   */
  async update(id: string, version: number, { startsAt, ...changes }: UpdateEventDto): Promise<Event> {
    const wanted = { ...changes, ...(startsAt !== undefined && { startsAt: new Date(startsAt) }) };
    const updated = Object.keys(wanted).length > 0 ? await this.events.updateAt(version, id, wanted) : null;
    if (updated !== null) return updated;

    const event = await this.get(id);
    if (event.version !== version) throw new VersionConflictError(id, version);
    if (wanted.capacity !== undefined && wanted.capacity < event.sold)
      throw new CapacityBelowSoldError(id, event.sold);
    return event;
  }
}
