import { DomainError } from '../common/errors/domain-error.js';

export class TooManyOrganizationsError extends DomainError {
  constructor(limit: number) {
    super(
      `You are a member of ${limit} organizations, which is the limit. Leave one first.`,
      'TOO_MANY_ORGANIZATIONS',
    );
  }
}
