import { DomainError } from '../common/errors/domain-error.js';

/** One answer for a wrong address and a wrong password: it must not tell which addresses are registered. */
export class InvalidCredentialsError extends DomainError {
  constructor() {
    super('The e-mail address or the password is wrong.', 'INVALID_CREDENTIALS');
  }
}

export class InvalidRefreshTokenError extends DomainError {
  constructor(reason: string) {
    super('The refresh token is not valid. Log in again.', 'INVALID_TOKEN', { reason });
  }
}

export class EmailTakenError extends DomainError {
  constructor() {
    super('This e-mail address is registered. Log in instead.', 'EMAIL_TAKEN');
  }
}
