import { buildMessage, isRFC3339, ValidateBy, type ValidationOptions } from 'class-validator';

/** Years that JavaScript's Date, JSON and PostgreSQL read alike. */
const YEAR = /^2\d{3}-/;

/** JavaScript reads February 30 as March 2; the client did not mean that. */
function isDayOfCalendar(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

/** A point in time as RFC 3339 writes it: date, time and zone, e.g. `2030-05-01T19:30:00Z`. */
export function IsInstant(validationOptions?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isInstant',
      validator: {
        validate: (value: unknown) =>
          typeof value === 'string' &&
          YEAR.test(value) &&
          isRFC3339(value) &&
          !Number.isNaN(Date.parse(value)) &&
          isDayOfCalendar(value.slice(0, 10)),
        defaultMessage: buildMessage(
          (prefix) => `${prefix}$property must be a date and time with a zone, e.g. 2030-05-01T19:30:00Z`,
          validationOptions,
        ),
      },
    },
    validationOptions,
  );
}
