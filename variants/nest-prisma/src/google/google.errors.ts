import { DomainError } from '../common/errors/domain-error.js';

/** Said where Google says "later" without saying when, in milliseconds. */
const LATER_MS = 30_000;

type Context = Readonly<Record<string, unknown>>;

/** The service lacks a setting without which it cannot call Google. */
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

export interface Unavailability extends ErrorOptions {
  readonly context?: Context;
  /** Whether the request may have had its effect, though there is no answer. */
  readonly mayHaveArrived?: boolean;
  /** What Google has asked for, where it has. */
  readonly askedMs?: number;
}

/** Google did not answer, or not as it should, after everything that could be repeated was. */
export class GoogleUnavailableError extends DomainError {
  readonly mayHaveArrived: boolean;
  readonly askedMs: number | undefined;

  constructor({ cause, context = {}, mayHaveArrived = false, askedMs }: Unavailability) {
    super('Google does not answer as it should. Try again.', 'GOOGLE_UNAVAILABLE', context, {}, { cause });
    this.mayHaveArrived = mayHaveArrived;
    this.askedMs = askedMs;
  }
}

/** The project's quota at Google is used up, by Google's count or by this service's own. */
export class GoogleQuotaError extends DomainError {
  /** When it makes sense to try again. */
  readonly retryAfterMs: number;

  /** @param askedMs what Google has asked for, where it has */
  constructor(
    readonly askedMs: number | undefined,
    context: Context = {},
  ) {
    const retryAfterMs = askedMs ?? LATER_MS;
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    super(
      `The quota for calls to Google is used up. Try again in ${seconds} s.`,
      'GOOGLE_QUOTA_EXCEEDED',
      context,
      { retryAfter: seconds },
    );
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  /** Google's own code, e.g. `PERMISSION_DENIED`. */
  readonly reason: string;
  /** Google's own words. */
  readonly explanation: string;
  /** As Google's error model has them (AIP-193). */
  readonly details?: readonly unknown[];
}

/** Google has understood the request and refuses it. It would refuse the same again. */
export class GoogleRequestError extends DomainError {
  readonly status: number;
  readonly reason: string;
  readonly details: readonly unknown[];

  constructor({ status, reason, explanation, details = [] }: Refusal, context: Context = {}) {
    super(
      `Google refuses the request: ${explanation}`,
      'GOOGLE_REQUEST_REFUSED',
      { status, ...context },
      { reason },
    );
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}
