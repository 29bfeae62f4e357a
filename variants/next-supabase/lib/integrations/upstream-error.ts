import { DomainError } from '@/lib/errors/domain-error';

const MAX_RETRY_AFTER_MS = 3_600_000;

type Reason = 'UNAVAILABLE' | 'RATE_LIMITED' | 'TIMEOUT' | 'REFUSED' | 'TOO_LARGE';

const WORDS: Readonly<Record<Reason, string>> = {
  UNAVAILABLE: 'cannot be reached. Try again later.',
  RATE_LIMITED: 'has too much to do. Try again later.',
  TIMEOUT: 'took too long to answer.',
  REFUSED: 'refused the request.',
  TOO_LARGE: 'sent a longer response than this service accepts.',
};

/**
 * A failure of an external service. What the service itself said stays behind, here and in the log: it repeats what was
 * asked, and some repeat the key.
 *
 * @param askedMs how long the service asks to be left alone
 */
export class UpstreamError extends DomainError {
  constructor(
    readonly service: string,
    readonly reason: Reason,
    readonly status?: number,
    readonly askedMs?: number,
    failure?: string,
  ) {
    super(
      `${service} ${WORDS[reason]}`,
      `INTEGRATION_${reason}`,
      { service, upstreamStatus: status, failure },
      askedMs === undefined ? {} : { retryAfter: Math.ceil(askedMs / 1_000) },
    );
  }

  /** Whether the same request may fare better in a moment. */
  get isPassing(): boolean {
    return this.reason !== 'REFUSED' && this.reason !== 'TOO_LARGE';
  }
}

/** What the clients of OpenAI, Anthropic and Stripe know of an answer that is an error. */
interface ClientError {
  readonly name?: string;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly cause?: unknown;
}

/** What a failure of a client library means. An error of the service's own stays as it is. */
export function toUpstreamError(service: string, error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  const { status, statusCode, headers, name, code } = (error ?? {}) as ClientError;
  const answered = [status, statusCode].find((value) => typeof value === 'number');
  const failure = String(code ?? name ?? 'unknown');
  if (answered === undefined) {
    return new UpstreamError(
      service,
      isTimeout(error) ? 'TIMEOUT' : 'UNAVAILABLE',
      undefined,
      undefined,
      failure,
    );
  }
  const asked = retryAfterMs(new Headers(headers).get('retry-after'));
  if (answered === 429) return new UpstreamError(service, 'RATE_LIMITED', answered, asked, failure);
  // 409 is Stripe's, for a request with the same Idempotency-Key that is still being worked on.
  const passes = answered >= 500 || answered === 408 || answered === 409;
  return new UpstreamError(service, passes ? 'UNAVAILABLE' : 'REFUSED', answered, asked, failure);
}

function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /Timeout/.test(`${error.name} ${error.constructor.name}`) || isTimeout(error.cause);
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}
