import type { DataSource } from 'typeorm';
import { Event } from '../events/event.entity.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Fixed ids, so that a second run adds nothing and examples in documents stay true. */
const SEEDS = [
  {
    id: '01990000-0000-7000-8000-000000000001',
    name: 'An evening of string quartets',
    venue: 'Town hall',
    capacity: 500,
    price: 4_500,
    inDays: 30,
  },
  {
    id: '01990000-0000-7000-8000-000000000002',
    name: 'Open-air cinema',
    venue: 'River meadow',
    capacity: 2_000,
    price: 1_200,
    inDays: 60,
  },
  {
    id: '01990000-0000-7000-8000-000000000003',
    name: 'Stadium night',
    venue: 'East stadium',
    capacity: 50_000,
    price: 8_900,
    inDays: 90,
  },
] as const;

/**
 * Adds the sample events that are not there yet.
 *
 * @returns how many were added
 */
export async function seed(dataSource: DataSource): Promise<number> {
  const events = SEEDS.map(({ inDays, ...event }) => ({
    ...event,
    description: '',
    currency: 'EUR',
    startsAt: new Date(Date.now() + inDays * DAY_MS),
  }));
  const result = await dataSource
    .createQueryBuilder()
    .insert()
    .into(Event)
    .values(events)
    .orIgnore()
    .returning('id')
    .execute();
  return (result.raw as unknown[]).length;
}
