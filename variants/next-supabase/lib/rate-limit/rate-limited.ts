import { DomainError } from '@/lib/errors/domain-error';
import type { RateLimitResult } from './index';

/** The limit that a request has reached, as the header fields name it. */
export interface Policy {
  readonly name: string;
  readonly windowSeconds: number;
}

/** A request beyond a limit: `RATE_LIMITED`, with `Retry-After`. */
export class RateLimited extends DomainError {
  constructor(
    readonly result: RateLimitResult,
    readonly policy?: Policy,
  ) {
    const seconds = Math.ceil(result.resetMs / 1_000);
    super(`Too many requests. Try again in ${seconds} s.`, 'RATE_LIMITED', {}, { retryAfter: seconds });
  }
}
