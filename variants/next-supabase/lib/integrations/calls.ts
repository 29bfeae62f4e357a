import {
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  ExponentialBackoff,
  handleWhen,
  type IBackoff,
  type IRetryBackoffContext,
  isBrokenCircuitError,
  retry,
} from 'cockatiel';
import { config } from '@/lib/config/config';
import { log } from '@/lib/log';
import { processWide } from '@/lib/process-wide';
import { recordCall } from './metrics';
import { toUpstreamError, UpstreamError } from './upstream-error';

/** A request is sent again after about this long, and then after ever longer, each time with jitter. In milliseconds. */
const BACKOFF = { initialDelay: 250, maxDelay: 5_000 };

/** After so many requests in a row without an answer no more are sent for a while. */
const FAILURES_TO_OPEN = 10;
const OPEN_MS = 15_000;
const DOWN: ReadonlySet<unknown> = new Set(['INTEGRATION_UNAVAILABLE', 'INTEGRATION_TIMEOUT']);

export interface Call {
  readonly service: 'OpenAI' | 'Anthropic' | 'Stripe';
  /** As the service calls it, e.g. `checkout.sessions.create`: for metrics and the log. */
  readonly operation: string;
  /** Aborted when nobody waits for the result any more. */
  readonly signal?: AbortSignal;
}

/**
 * Every request to an external service goes through here: it is sent again where that helps, after the time that
 * `Retry-After` asks for, and is not sent while the service is down. The clients are told not to repeat anything
 * themselves: OpenAI's and Anthropic's come back at once where they are asked to wait for long, and Stripe's does not
 * look at `Retry-After`.
 *
 * @param send sends the request, which must do no harm twice, and does nothing else
 * @throws UpstreamError
 */
export async function callIntegration<Result>(call: Call, send: () => Promise<Result>): Promise<Result> {
  const { service, operation, signal } = call;
  const attempt = async () => {
    const started = performance.now();
    let outcome = 'OK';
    try {
      return await send();
    } catch (error) {
      // Whoever asked has left: that says nothing about the service.
      if (signal?.aborted) {
        outcome = 'ABANDONED';
        throw signal.reason;
      }
      const failure = toUpstreamError(service, error);
      outcome = failure.code;
      throw failure;
    } finally {
      recordCall({ service, operation, outcome, seconds: (performance.now() - started) / 1_000 });
    }
  };
  try {
    return await retrying(call).execute(() => breakerOf(service).execute(attempt), signal);
  } catch (error) {
    if (!isBrokenCircuitError(error)) throw error;
    throw new UpstreamError(service, 'UNAVAILABLE', undefined, undefined, 'CIRCUIT_OPEN');
  }
}

function retrying({ service, operation }: Call) {
  const { INTEGRATION_RETRIES, INTEGRATION_MAX_WAIT_MS } = config();
  const isWorthRepeating = (error: unknown) =>
    error instanceof UpstreamError && error.isPassing && (error.askedMs ?? 0) <= INTEGRATION_MAX_WAIT_MS;
  const backoff = new DelegateBackoff(
    (context: IRetryBackoffContext<unknown>, previous?: IBackoff<unknown>) => {
      const exponential = previous?.next(context) ?? new ExponentialBackoff(BACKOFF).next();
      return { delay: askedMs(context) + exponential.duration, state: exponential };
    },
  );
  const policy = retry(handleWhen(isWorthRepeating), { maxAttempts: INTEGRATION_RETRIES, backoff });
  policy.onRetry(({ attempt, delay }) =>
    log().warn({ service, operation, attempt, delay }, 'a request to an external service is sent again'),
  );
  return policy;
}

function askedMs({ result }: IRetryBackoffContext<unknown>): number {
  return 'error' in result && result.error instanceof UpstreamError ? (result.error.askedMs ?? 0) : 0;
}

/**
 * One for the process, though Next.js bundles each route with classes of its own: errors are known by their codes. A refusal
 * is an answer: the service is there.
 */
function breakerOf(service: Call['service']): CircuitBreakerPolicy {
  const breakers = processWide('breakers', () => new Map<string, CircuitBreakerPolicy>());
  const known = breakers.get(service);
  if (known !== undefined) return known;
  const isDown = (error: unknown) => DOWN.has((error as { code?: unknown } | null)?.code);
  const breaker = circuitBreaker(handleWhen(isDown), {
    breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
    halfOpenAfter: OPEN_MS,
  });
  breaker.onBreak(() => log().error({ service }, 'an external service is down: no requests are sent to it'));
  breaker.onReset(() => log().info({ service }, 'an external service is back'));
  breakers.set(service, breaker);
  return breaker;
}
