import { DomainError } from '../common/errors/domain-error.js';

export class EventNotFoundError extends DomainError {
  constructor(id: string) {
    super(`There is no event ${id}.`, 'EVENT_NOT_FOUND', { eventId: id });
  }
}

export class VersionConflictError extends DomainError {
  constructor(id: string, version: number) {
    super(
      'The event was changed since you read it. Read it again and repeat the change.',
      'VERSION_CONFLICT',
      { eventId: id, version },
    );
  }
}

export class CapacityBelowSoldError extends DomainError {
  constructor(id: string, sold: number) {
    super(
      `The capacity cannot be less than the ${sold} tickets that are sold.`,
      'CAPACITY_BELOW_SOLD',
      { eventId: id },
      { sold },
    );
  }
}
