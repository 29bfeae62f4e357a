import { buildMessage, isRFC3339, ValidateBy, type ValidationOptions } from 'class-validator';

/** What JavaScript's Date, JSON and PostgreSQL read alike: years of four digits, in UTC. */
const FIRST = Date.UTC(1000, 0, 1);
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** JavaScript reads February 30 as March 2; the client did not mean that. */
function isDayOfCalendar(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

/** A point in time as RFC 3339 writes it, from the year 1000 to 9999 in UTC: date, time and any offset. */
export function IsInstant(validationOptions?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isInstant',
      validator: {
        validate: (value: unknown) =>
          typeof value === 'string' &&
          isRFC3339(value) &&
          Date.parse(value) >= FIRST &&
          Date.parse(value) <= LAST &&
          isDayOfCalendar(value.slice(0, 10)),
        defaultMessage: buildMessage(
          (prefix) =>
            `${prefix}$property must be a date and time with a zone, from the year 1000 to 9999, e.g. 2030-05-01T19:30:00Z`,
          validationOptions,
        ),
      },
    },
    validationOptions,
  );
}
