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

/** Only Google confirms that a tracking is active or paused. */
export class TrackingNotSetUpError extends DomainError {
  constructor(trackingId: string) {
    super(
      'The tracking is not set up at Google, so it can be neither active nor paused. Set it up first.',
      'TRACKING_NOT_SET_UP',
      { trackingId },
    );
  }
}
