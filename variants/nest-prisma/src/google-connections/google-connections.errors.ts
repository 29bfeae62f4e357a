import { DomainError } from '../common/errors/domain-error.js';

export class ConnectionNotFoundError extends DomainError {
  constructor(id: string) {
    super('There is no such connection.', 'CONNECTION_NOT_FOUND', { connectionId: id });
  }
}

/** The state is unknown, used, too old, or of somebody else; or Google does not take the code. */
export class AuthorizationFailedError extends DomainError {
  constructor(reason: string) {
    super('Google was not connected: begin again.', 'AUTHORIZATION_FAILED', { reason });
  }
}
