import { isTaskCancelledError } from 'cockatiel';
import { z } from 'zod';
import { DomainError } from '../../common/errors/domain-error.js';
import { GoogleQuotaError, GoogleRequestError, GoogleUnavailableError } from '../google.errors.js';
import type { GoogleApi } from './apis.js';

/** Google's error model: of its older APIs (`errors`), and of its newer ones (`status` and `details`, AIP-193). */
const answer = z.object({
  error: z.object({
    message: z.string().default(''),
    status: z.string().optional(),
    errors: z.array(z.object({ reason: z.string().optional() })).default([]),
    details: z.array(z.looseObject({ '@type': z.string().default('') })).default([]),
  }),
});

const NOTHING = { message: '', errors: [], details: [] };

type GoogleFault = z.output<typeof answer>['error'];

const delay = z
  .string()
  .regex(/^\d+(\.\d+)?s$/)
  .transform((seconds) => Number.parseFloat(seconds) * 1_000);

/** `google.rpc.RetryInfo` */
const retryInfo = z.object({ retryDelay: delay });

/** What Google Ads has for details; `errorCode` is such as `{ quotaError: 'RESOURCE_EXHAUSTED' }`. */
const adsFailure = z.object({
  errors: z
    .array(
      z.object({
        errorCode: z.record(z.string(), z.string()).default({}),
        details: z.object({ quotaErrorDetails: retryInfo.optional() }).optional(),
      }),
    )
    .min(1),
});

/** A 403 for one of these is a matter of time. Every other 403 stays one. */
const QUOTA_REASONS = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'quotaExceeded',
  'dailyLimitExceeded',
  'RATE_LIMIT_EXCEEDED',
  'RESOURCE_EXHAUSTED',
]);

/** The quota of a day is used up: no use to ask again in a moment. */
const DAY_REASON = 'dailyLimitExceeded';
const HOUR_MS = 3_600_000;

export interface FailedCall {
  readonly api: GoogleApi;
  readonly method: string;
  readonly isRepeatable: boolean;
}

/** The HTTP status of an answer that is not a success, where there was an answer. */
function statusOf(error: unknown): number | undefined {
  const status = responseOf(error)?.status;
  return typeof status === 'number' ? status : undefined;
}

/**
 * What a failure means. The libraries' own errors end here: they hold the request, and the token in it.
 *
 * @returns GoogleQuotaError, GoogleUnavailableError or GoogleRequestError; an error of the service's own as it is
 */
export function toGoogleError(error: unknown, { api, method, isRepeatable }: FailedCall): DomainError {
  if (error instanceof DomainError) return error;
  const status = statusOf(error);
  const fault = answer.safeParse(responseOf(error)?.data).data?.error ?? NOTHING;
  const asked = askedDelayMs(error, fault);
  if (status === undefined || status === 408 || status >= 500) {
    const context = { api, method, ...(status === undefined ? { failure: nameOf(error) } : { status }) };
    return new GoogleUnavailableError({ context, mayHaveArrived: !isRepeatable, askedMs: asked });
  }
  const reason = reasonOf(fault);
  if (status === 429 || (status === 403 && QUOTA_REASONS.has(reason))) {
    return new GoogleQuotaError(reason === DAY_REASON ? HOUR_MS : asked, { api, method });
  }
  const { message, details } = fault;
  return new GoogleRequestError(
    { status, reason, explanation: message || `HTTP ${status}`, details },
    { api, method },
  );
}

function reasonOf({ errors, details, status }: GoogleFault): string {
  const info = details.find((detail) => detail['@type'].endsWith('google.rpc.ErrorInfo'))?.reason;
  const [ofAds] = details.flatMap((detail) =>
    (adsFailure.safeParse(detail).data?.errors ?? []).flatMap(({ errorCode }) => Object.values(errorCode)),
  );
  return errors[0]?.reason ?? ofAds ?? (typeof info === 'string' ? info : undefined) ?? status ?? 'unknown';
}

/** Google asks for a delay in the header `Retry-After` (RFC 9110, 10.2.3), or in the details of the error. */
function askedDelayMs(error: unknown, { details }: GoogleFault): number | undefined {
  const header = new Headers(responseOf(error)?.headers).get('retry-after');
  if (header !== null) {
    const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
    if (Number.isFinite(ms)) return Math.max(0, ms);
  }
  for (const detail of details) {
    const ofAds = adsFailure.safeParse(detail).data?.errors[0]?.details?.quotaErrorDetails;
    const asked = retryInfo.safeParse(detail).data ?? ofAds;
    if (asked !== undefined) return asked.retryDelay;
  }
  return undefined;
}

/** Where gaxios, Google's HTTP client, keeps the answer. Two versions of it are here, so that `instanceof` would not do. */
function responseOf(error: unknown) {
  type Answer = { status?: unknown; headers?: ConstructorParameters<typeof Headers>[0]; data?: unknown };
  return (error as { response?: Answer } | null)?.response;
}

/** Names the fault of a call without an answer, e.g. ECONNRESET. Its message could repeat the request. */
function nameOf(error: unknown): string {
  if (error instanceof Error && isTaskCancelledError(error)) return 'TIMEOUT';
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'unknown');
}
