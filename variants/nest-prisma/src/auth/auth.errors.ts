import { DomainError } from '../common/errors/domain-error.js';

/** There is no token, or none that is any good. The reason is for the log: who forges tokens learns nothing. */
export class UnauthorizedError extends DomainError {
  constructor(reason: string) {
    super('Send a valid token: Authorization: Bearer <token>.', 'UNAUTHORIZED', { reason });
  }
}

export class ForbiddenError extends DomainError {
  /** @param who may do it, e.g. `members with the role ADMIN` */
  constructor(who: string) {
    super(`This is for ${who} only.`, 'FORBIDDEN', { who });
  }
}

/** The same for an organization that is not there and for one of others. */
export class NotAMemberError extends DomainError {
  constructor(organizationId: string) {
    super('You are no member of the organization that X-Organization-Id names.', 'NOT_A_MEMBER', {
      organizationId,
    });
  }
}

export class NoOrganizationError extends DomainError {
  constructor() {
    super(
      'You are a member of no organization: create one (POST /api/v1/organizations), or have yourself invited.',
      'NO_ORGANIZATION',
    );
  }
}

export class OrganizationRequiredError extends DomainError {
  constructor() {
    super(
      'You are a member of several organizations: name one in X-Organization-Id. GET /api/v1/me lists them.',
      'ORGANIZATION_REQUIRED',
    );
  }
}

/** Whether a token is good cannot be told at the moment. */
export class IdentityProviderUnavailableError extends DomainError {
  constructor(options: ErrorOptions) {
    super('Tokens cannot be checked right now. Try again.', 'IDENTITY_PROVIDER_UNAVAILABLE', {}, {}, options);
  }
}
