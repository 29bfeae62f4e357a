import { DomainError } from '../common/errors/domain-error.js';

/** The service has no client of Google's to connect with. */
export class GoogleNotConfiguredError extends DomainError {
  constructor() {
    super('This service is not set up for Google: GOOGLE_CLIENT_ID is not set.', 'GOOGLE_NOT_CONFIGURED');
  }
}

/** Google did not answer, or not as it should, after everything that could be repeated was. */
export class GoogleUnavailableError extends DomainError {
  constructor(options: ErrorOptions) {
    super('Google does not answer as it should. Try again.', 'GOOGLE_UNAVAILABLE', {}, {}, options);
  }
}
