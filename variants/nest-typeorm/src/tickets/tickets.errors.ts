import { DomainError } from '../common/errors/domain-error.js';

export class SoldOutError extends DomainError {
  constructor(eventId: string) {
    super('The event is sold out.', 'SOLD_OUT', { eventId }, { available: 0 });
  }
}

export class NotEnoughTicketsError extends DomainError {
  constructor(eventId: string, available: number) {
    const left = available === 1 ? '1 ticket is' : `${available} tickets are`;
    super(`Only ${left} left.`, 'NOT_ENOUGH_TICKETS', { eventId }, { available });
  }
}

export class EventStartedError extends DomainError {
  constructor(eventId: string, startsAt: Date) {
    super(
      'The event has started; its tickets are no longer sold.',
      'EVENT_STARTED',
      { eventId },
      { startsAt: startsAt.toISOString() },
    );
  }
}

export class IdempotencyKeyReusedError extends DomainError {
  constructor(key: string) {
    super('This Idempotency-Key was used for another request. Use a new key.', 'IDEMPOTENCY_KEY_REUSED', {
      key,
    });
  }
}

/** The purchase waited longer than it may, or than its client did: nothing was sold. */
export class PurchaseTimedOutError extends DomainError {
  constructor(eventId: string) {
    super('The purchase waited too long, and nothing was sold. Try again.', 'LOCK_TIMEOUT', { eventId });
  }
}

export class QueueFullError extends DomainError {
  constructor(eventId: string, waiting: number) {
    super('Too many purchases are waiting. Try again shortly.', 'QUEUE_FULL', { eventId, waiting });
  }
}
