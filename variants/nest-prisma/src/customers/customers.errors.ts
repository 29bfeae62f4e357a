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
