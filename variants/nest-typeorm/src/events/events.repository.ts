import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import type { Cursor } from '../common/pagination/cursor.js';
import { Event } from './event.entity.js';

export interface EventFilter {
  readonly from?: Date;
  readonly to?: Date;
  readonly available?: boolean;
  readonly q?: string;
}

/** What may be changed of an event. */
export type EventChanges = Partial<
  Pick<Event, 'name' | 'description' | 'venue' | 'startsAt' | 'capacity' | 'price' | 'currency'>
>;

/** Data access of events, and nothing else. */
@Injectable()
export class EventsRepository {
  constructor(@InjectRepository(Event) private readonly events: Repository<Event>) {}

  async insert(event: Event): Promise<void> {
    await this.events.insert(event);
  }

  /**
   * The read that a sale is full of. Building the query and hydrating one row cost TypeORM more than PostgreSQL needs to
   * answer it, so the SQL stands here; `npm run bench` shows the difference.
   */
  async findById(id: string): Promise<Event | null> {
    const [row] = await this.events.query<Event[]>(
      `SELECT id, name, description, venue, starts_at AS "startsAt", capacity, sold, sold_out AS "soldOut", price, currency,
              version, created_at AS "createdAt", updated_at AS "updatedAt"
         FROM events WHERE id = $1`,
      [id],
    );
    return row ?? null;
  }

  /** Events by start, then id; one row more than `limit` where there are more. */
  async find(filter: EventFilter, after: Cursor | undefined, limit: number): Promise<Event[]> {
    const query = this.events
      .createQueryBuilder('event')
      .orderBy('event.startsAt')
      .addOrderBy('event.id')
      .limit(limit + 1);
    if (filter.from) query.andWhere('event.startsAt >= :from', { from: filter.from });
    if (filter.to) query.andWhere('event.startsAt < :to', { to: filter.to });
    if (filter.available !== undefined)
      query.andWhere(filter.available ? 'NOT event.soldOut' : 'event.soldOut');
    if (filter.q) query.andWhere(`${SEARCH_VECTOR} @@ ${PREFIX_SEARCH}`, { search: filter.q });
    // A row comparison, so that the index on (starts_at, id) is entered right after the last page.
    if (after) query.andWhere('(event.startsAt, event.id) > (:time, :id)', after);
    return query.getMany();
  }

  /**
   * Changes an event if it is still at `version` and would not hold fewer seats than are sold.
   *
   * @returns the event as it is then, or null where it was not changed
   */
  async updateAt(version: number, id: string, changes: EventChanges): Promise<Event | null> {
    return this.events.manager.transaction(async (manager) => {
      const update = manager
        .createQueryBuilder()
        .update(Event)
        .set({ ...changes, ...(changes.capacity !== undefined && { soldOut: () => 'sold = :capacity' }) })
        .where('id = :id AND version = :version', { id, version });
      if (changes.capacity !== undefined)
        update.andWhere('sold <= :capacity', { capacity: changes.capacity });
      const { affected } = await update.execute();
      return affected === 1 ? manager.findOneByOrFail(Event, { id }) : null;
    });
  }
}

/** The expression of IDX_events_search, to the letter: PostgreSQL uses an expression index for nothing else. */
const SEARCH_VECTOR = `to_tsvector('simple', event.name || ' ' || event.venue)`;

/**
 * `string quart` becomes `'quart':* & 'string':*`: each word as the beginning of one, all of them required. PostgreSQL's
 * parser splits both sides, so that names such as `AC/DC` and `3.5 Mile Run` are found as they are written.
 */
const PREFIX_SEARCH = `(
  SELECT string_agg(quote_literal(lexeme) || ':*', ' & ')::tsquery FROM unnest(to_tsvector('simple', :search)))`;
