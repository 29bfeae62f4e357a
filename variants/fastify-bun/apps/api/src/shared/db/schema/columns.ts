import { timestamp } from 'drizzle-orm/pg-core';

/** A point in time to the millisecond, which is as fine as JavaScript reads it. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** When a row was made and last changed. */
export const timestamps = {
  createdAt: instant('created_at').notNull().defaultNow(),
  updatedAt: instant('updated_at')
    .notNull()
    .defaultNow()
    .$onUpdate(() => new Date()),
};
