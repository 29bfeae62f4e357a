import { UnrecoverableError } from 'bullmq';
import { DomainError } from '../common/errors/domain-error.js';
import { postgresToDomainError } from '../common/errors/postgres-errors.js';
import { PROBLEMS } from '../common/errors/problem-catalog.js';
import { GoogleNotConfiguredError, GoogleQuotaError, GoogleRequestError } from '../google/google.errors.js';

/** While the database is away nothing is to be done, and nothing is the job's fault. */
const OUTAGE_MS = 5_000;

/** Google's word is taken within these bounds. */
const QUOTA_MIN_MS = 100;
const QUOTA_MAX_MS = 3_600_000;

/** What becomes of a job that has thrown something. */
export type Verdict =
  /** It would fail again: nobody tries it once more. `failure` is a stable code. */
  | { readonly kind: 'failed'; readonly failure: string }
  /** It is known when to come back; that does not count as an attempt. */
  | { readonly kind: 'later'; readonly inMs: number }
  /** It is tried again, with growing pauses, until its attempts are used up. `failure` is what it fails with then. */
  | { readonly kind: 'again'; readonly failure: string };

export function judge(error: unknown): Verdict {
  if (error instanceof GoogleQuotaError) {
    return { kind: 'later', inMs: Math.min(Math.max(error.retryAfterMs, QUOTA_MIN_MS), QUOTA_MAX_MS) };
  }
  const known = error instanceof DomainError ? error : postgresToDomainError(error);
  if (known === undefined) {
    return { kind: error instanceof UnrecoverableError ? 'failed' : 'again', failure: 'INTERNAL' };
  }
  if (known.code === 'DATABASE_UNAVAILABLE') return { kind: 'later', inMs: OUTAGE_MS };
  // What somebody would have to mend (ReconnectRequiredError, something that is deleted by now) no repetition mends.
  const isFinal =
    known instanceof GoogleRequestError ||
    known instanceof GoogleNotConfiguredError ||
    (PROBLEMS[known.code]?.status ?? 500) < 500;
  return { kind: isFinal ? 'failed' : 'again', failure: known.code };
}
