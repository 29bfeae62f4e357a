import { z } from 'zod';

/** What JavaScript's Date, JSON and PostgreSQL read alike: years of four digits, in UTC. */
const FIRST = Date.UTC(1000, 0, 1);
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const error = 'must be a date and time with a zone, from the year 1000 to 9999, e.g. 2030-05-01T19:30:00Z';

/** A point in time as RFC 3339 writes it, from the year 1000 to 9999 in UTC: date, time and any offset. */
export const dateTime = z.iso
  .datetime({ offset: true, error })
  .refine((text) => Date.parse(text) >= FIRST && Date.parse(text) <= LAST, error);
