import { DomainError } from '../common/errors/domain-error.js';

export class CustomerNotFoundError extends DomainError {
  constructor(id: string) {
    super('There is no such customer.', 'CUSTOMER_NOT_FOUND', { customerId: id });
  }
}

export class CustomerEmailTakenError extends DomainError {
  constructor() {
    super('Another customer of the organization has this email address.', 'CUSTOMER_EMAIL_TAKEN');
  }
}

/** A tag would go on counting for a customer that is gone. */
export class CustomerHasTrackingsError extends DomainError {
  constructor(customerId: string, count: number) {
    super(
      `Trackings of the customer are set up at Google, or being set up: ${count}. Delete them first.`,
      'CUSTOMER_HAS_TRACKINGS',
      { customerId },
    );
  }
}
