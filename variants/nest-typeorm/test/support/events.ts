import type { TestService } from './service.js';

let counter = 0;

/** A valid body for `POST /events`. */
export function anEvent(changes: Record<string, unknown> = {}): Record<string, unknown> {
  counter += 1;
  return {
    name: `Concert ${counter}`,
    description: 'Strings and brass',
    venue: 'Town hall',
    startsAt: '2950-05-01T19:30:00Z',
    capacity: 100,
    price: 4_500,
    currency: 'EUR',
    ...changes,
  };
}

/** A valid body for a purchase. */
export function aPurchase(quantity = 1): Record<string, unknown> {
  return { quantity, buyer: { name: 'Ada Lovelace', email: 'ada@example.com' } };
}

/** Creates an event over HTTP and returns its id. */
export async function createEvent(
  service: TestService,
  changes: Record<string, unknown> = {},
): Promise<string> {
  const { status, body } = await service.post('/events', anEvent(changes));
  if (status !== 201) throw new Error(`POST /events answered ${status}: ${JSON.stringify(body)}`);
  return body.id;
}
