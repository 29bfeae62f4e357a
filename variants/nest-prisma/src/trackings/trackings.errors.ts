import { DomainError } from '../common/errors/domain-error.js';

export class TrackingNotFoundError extends DomainError {
  constructor(id: string) {
    super('There is no such tracking.', 'TRACKING_NOT_FOUND', { trackingId: id });
  }
}

export class TrackingNameTakenError extends DomainError {
  constructor() {
    super('Another tracking of the customer has this name.', 'TRACKING_NAME_TAKEN');
  }
}

/** A tracking lives no longer than its customer. */
export class CustomerDeletedError extends DomainError {
  constructor(customerId: string) {
    super('The customer of the tracking is deleted: restore that first.', 'CUSTOMER_DELETED', { customerId });
  }
}
