import { DomainError } from '../common/errors/domain-error.js';

/** One answer for a wrong address and a wrong password: it must not tell which addresses are registered. */
export class InvalidCredentialsError extends DomainError {
  /** @param userId of the account, if there is one; for the log only */
  constructor(readonly userId?: string) {
    super('The e-mail address or the password is wrong.', 'INVALID_CREDENTIALS');
  }
}

export class InvalidRefreshTokenError extends DomainError {
  constructor(reason: string) {
    super('The refresh token is not valid. Log in again.', 'INVALID_TOKEN', { reason });
  }
}

/** Unknown, used and expired tokens of mails are answered alike. */
export class InvalidTokenError extends DomainError {
  constructor() {
    super('The token is invalid, expired or used. Request a new mail.', 'INVALID_TOKEN');
  }
}

export class EmailTakenError extends DomainError {
  constructor() {
    super('This e-mail address is registered. Log in instead.', 'EMAIL_TAKEN');
  }
}

/** Also for a tenant that exists, of which the user is no member. */
export class TenantNotFoundError extends DomainError {
  constructor(id: string) {
    super(`The user is not a member of a tenant ${id}.`, 'TENANT_NOT_FOUND', { tenantId: id });
  }
}

/** The access token is valid, and its login has ended: by a logout, a new password, or a stolen refresh token. */
export class SessionEndedError extends DomainError {
  constructor() {
    super('The session has ended. Log in again.', 'INVALID_TOKEN');
  }
}

/** The access token is valid, and the membership for which it was issued has ended. */
export class NoLongerAMemberError extends DomainError {
  constructor() {
    super('The user is no longer a member of this tenant. Log in again.', 'INVALID_TOKEN');
  }
}
