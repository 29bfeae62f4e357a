import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { ObservableResult } from '@opentelemetry/api';
import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  ExponentialBackoff,
  handleType,
  handleWhen,
  type IBackoff,
  type IRetryBackoffContext,
  retry,
  type TimeoutPolicy,
  TimeoutStrategy,
  timeout,
} from 'cockatiel';
import { CONFIG } from '../../common/config/config.module.js';
import { DomainError } from '../../common/errors/domain-error.js';
import type { Config } from '../../config/config.js';
import { GoogleConnectionsService } from '../../google-connections/google-connections.service.js';
import { GoogleQuotaError, GoogleRequestError, GoogleUnavailableError } from '../google.errors.js';
import { GOOGLE_APIS, type GoogleApi } from './apis.js';
import { toGoogleError } from './failures.js';
import { circuitState, requestDuration, retries } from './google-calls.metrics.js';
import { GoogleQuota } from './google-quota.js';

/** A request is sent again after about this long, and then after ever longer, each time with jitter. In milliseconds. */
const BACKOFF = { initialDelay: 250, maxDelay: 5_000 };
const MAX_RETRIES = 3;

/** After so many requests in a row without an answer no more are sent for a while. */
const FAILURES_TO_OPEN = 10;

export interface GoogleCall {
  readonly api: GoogleApi;
  /** As Google calls it, e.g. `tags.create`: for metrics, logs and errors. */
  readonly method: string;
  /** On whose behalf. */
  readonly connectionId: string;
  /** Whether sent twice does no harm. What does is sent again only where Google has said that it did nothing. */
  readonly isRepeatable: boolean;
  /** What it costs of the quota; 1 where nothing is said. */
  readonly units?: number;
}

/** What a request is sent with. */
export interface Sending {
  readonly headers: { readonly authorization: string };
  readonly signal: AbortSignal;
}

export type Send<Result> = (sending: Sending) => Promise<Result>;

/**
 * Every request to an API of Google goes through here: it waits for its turn in the quota, ends at a time-out, is sent again
 * where that helps, and is not sent while the API is down. Google's clients are told not to repeat anything themselves: they
 * know neither jitter nor `Retry-After`, and nothing of the quota.
 */
@Injectable()
export class GoogleCalls implements OnApplicationShutdown {
  private readonly logger = new Logger(GoogleCalls.name);
  private readonly timeout: TimeoutPolicy;
  private readonly breakers: ReadonlyMap<GoogleApi, CircuitBreakerPolicy>;

  constructor(
    private readonly connections: GoogleConnectionsService,
    private readonly quota: GoogleQuota,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.timeout = timeout(config.GOOGLE_TIMEOUT_MS, TimeoutStrategy.Aggressive);
    this.breakers = new Map(GOOGLE_APIS.map((api) => [api, this.createBreaker(api)]));
    circuitState.addCallback(this.observeBreakers);
  }

  onApplicationShutdown(): void {
    circuitState.removeCallback(this.observeBreakers);
  }

  /**
   * @param send sends the request and does nothing else: whatever it throws is taken for a failure of the request
   * @throws ConnectionNotFoundError, ReconnectRequiredError, GoogleQuotaError, GoogleUnavailableError, GoogleRequestError
   */
  async run<Result>(call: GoogleCall, send: Send<Result>): Promise<Result> {
    const { api, method, connectionId } = call;
    const breaker = this.breakers.get(api);
    if (breaker === undefined) throw new Error(`There is no circuit breaker for ${api}`);
    let token = await this.connections.accessToken(connectionId);
    try {
      return await this.createRetry(call).execute(async () => {
        await this.quota.take(api, call.units ?? 1);
        try {
          return await breaker.execute(() => this.send(call, token, send));
        } catch (error) {
          if (!(error instanceof GoogleRequestError) || error.status !== 401) throw error;
          // A token that ended before its time: either there is a new one, or the user has taken the access away.
          token = await this.connections.renewedAccessToken(connectionId, token);
          return await breaker.execute(() => this.send(call, token, send));
        }
      });
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error;
      throw new GoogleUnavailableError({ context: { api, method, failure: 'CIRCUIT_OPEN' } });
    }
  }

  private async send<Result>(call: GoogleCall, token: string, send: Send<Result>): Promise<Result> {
    const { api, method } = call;
    const headers = { authorization: `Bearer ${token}` };
    const start = performance.now();
    let outcome = 'OK';
    try {
      return await this.timeout.execute(({ signal }) => send({ headers, signal }));
    } catch (error) {
      const failure = toGoogleError(error, call);
      outcome = failure.code;
      throw failure;
    } finally {
      requestDuration.record((performance.now() - start) / 1_000, { api, method, outcome });
    }
  }

  private createRetry({ api, method }: GoogleCall) {
    const backoff = new DelegateBackoff(
      (context: IRetryBackoffContext<unknown>, previous?: IBackoff<unknown>) => {
        const exponential = previous?.next(context) ?? new ExponentialBackoff(BACKOFF).next();
        return { delay: askedMs(context) + exponential.duration, state: exponential };
      },
    );
    const policy = retry(
      handleWhen((error) => this.isWorthRepeating(error)),
      {
        maxAttempts: MAX_RETRIES,
        backoff,
      },
    );
    policy.onRetry(({ attempt, delay, ...reason }) => {
      retries.add(1, { api, method });
      const code = 'error' in reason && reason.error instanceof DomainError ? reason.error.code : undefined;
      this.logger.warn({ api, method, attempt, delay, code }, 'a request to Google is sent again');
    });
    return policy;
  }

  private isWorthRepeating(error: unknown): boolean {
    if (error instanceof GoogleQuotaError) return (error.askedMs ?? 0) <= this.config.GOOGLE_MAX_WAIT_MS;
    if (!(error instanceof GoogleUnavailableError) || error.mayHaveArrived) return false;
    return (error.askedMs ?? 0) <= this.config.GOOGLE_MAX_WAIT_MS;
  }

  private createBreaker(api: GoogleApi): CircuitBreakerPolicy {
    const breaker = circuitBreaker(handleType(GoogleUnavailableError), {
      breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
      halfOpenAfter: this.config.GOOGLE_CIRCUIT_OPEN_MS,
    });
    breaker.onBreak(() =>
      this.logger.error({ api }, 'this API of Google is down: no requests are sent to it'),
    );
    breaker.onReset(() => this.logger.log({ api }, 'this API of Google is back'));
    return breaker;
  }

  private readonly observeBreakers = (result: ObservableResult): void => {
    for (const [api, { state }] of this.breakers) result.observe(state, { api });
  };
}

function askedMs({ result }: IRetryBackoffContext<unknown>): number {
  const error = 'error' in result ? result.error : undefined;
  const isAsking = error instanceof GoogleQuotaError || error instanceof GoogleUnavailableError;
  return isAsking ? (error.askedMs ?? 0) : 0;
}
