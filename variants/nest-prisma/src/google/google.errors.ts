import { DomainError } from '../common/errors/domain-error.js';
import type { GoogleApi } from './calls/apis.js';

/** Asked for where Google says "later" without saying when, in milliseconds. */
const LATER_MS = 30_000;

/** The service has no client of Google's to connect with. */
export class GoogleNotConfiguredError extends DomainError {
  constructor(setting: string) {
    super(`This service is not set up for Google: ${setting} is not set.`, 'GOOGLE_NOT_CONFIGURED');
  }
}

/** The user has taken the access away. Only they can give it back, so nothing is repeated. */
export class ReconnectRequiredError extends DomainError {
  constructor(id: string) {
    super('Google no longer lets this service in: connect the account again.', 'RECONNECT_REQUIRED', {
      connectionId: id,
    });
  }
}

/** Google did not answer, or not as it should, after everything that could be repeated was. */
export class GoogleUnavailableError extends DomainError {
  /**
   * @param mayHaveArrived whether the request may have had its effect though there is no answer: one that creates
   *   something is not sent again before it was looked for
   */
  constructor(
    options: ErrorOptions = {},
    context: Readonly<Record<string, unknown>> = {},
    readonly mayHaveArrived = false,
  ) {
    super('Google does not answer as it should. Try again.', 'GOOGLE_UNAVAILABLE', context, {}, options);
  }
}

/** The project's quota at Google is used up, by Google's count or by this service's own. */
export class GoogleQuotaError extends DomainError {
  /** When it makes sense to try again. */
  readonly retryAfterMs: number;

  /** @param askedMs what Google has asked for, where it has */
  constructor(
    readonly api: GoogleApi,
    readonly askedMs: number | undefined,
  ) {
    const retryAfterMs = askedMs ?? LATER_MS;
    const seconds = Math.ceil(retryAfterMs / 1_000);
    super(
      `The quota for calls to Google is used up. Try again in ${seconds} s.`,
      'GOOGLE_QUOTA_EXCEEDED',
      { api },
      { retryAfter: seconds },
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/** Google has understood the request and refuses it. It would refuse the same again. */
export class GoogleRequestError extends DomainError {
  /**
   * @param status of HTTP
   * @param reason Google's own code, e.g. `duplicateName` or `PERMISSION_DENIED`
   * @param explanation Google's own words
   * @param details as Google's error model has them (AIP-193)
   */
  constructor(
    readonly status: number,
    readonly reason: string,
    explanation: string,
    context: Readonly<Record<string, unknown>> = {},
    readonly details: readonly unknown[] = [],
  ) {
    super(
      `Google refuses the request: ${explanation}`,
      'GOOGLE_REQUEST_REFUSED',
      { status, ...context },
      { reason },
    );
  }
}
