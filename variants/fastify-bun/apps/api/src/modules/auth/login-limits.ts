import { createHmac } from 'node:crypto';
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { DomainError } from '../../shared/lib/errors/domain-error.js';
import { clientNetwork } from '../../shared/lib/http/client-network.js';
import type { Log } from '../../shared/lib/logging/log.js';

export interface LoginLimitSettings {
  readonly AUTH_SECRET: string;
  readonly LOGIN_ATTEMPTS_ACCOUNT_MAX: number;
  readonly LOGIN_ATTEMPTS_MAX: number;
  readonly LOGIN_ATTEMPTS_NETWORK_MAX: number;
  readonly LOGIN_ATTEMPTS_WINDOW_SECONDS: number;
  readonly MAIL_REQUESTS_ADDRESS_MAX: number;
  readonly MAIL_REQUESTS_MAX: number;
  readonly MAIL_REQUESTS_NETWORK_MAX: number;
  readonly OTEL_SERVICE_NAME: string;
  readonly RATE_LIMIT_ENABLED: boolean;
  readonly RATE_LIMIT_IPV6_PREFIX: number;
}

interface Dependencies {
  readonly valkey: Redis;
  readonly settings: LoginLimitSettings;
  readonly log: Log;
}

export interface LimitPolicy {
  readonly name: string;
  readonly max: number;
  readonly seconds: number;
}

/** A budget of failed attempts or of mails is used up. */
export class TooManyAttemptsError extends DomainError {
  /** @param retryAfter in seconds */
  constructor(
    readonly policy: LimitPolicy,
    readonly retryAfter: number,
  ) {
    super(`Too many attempts. Try again in ${retryAfter} s.`, 'RATE_LIMITED', {}, { retryAfter });
  }
}

/** A password that is being checked. It counts as a failure until `succeed` or `release` is called. */
export interface Attempt {
  /** The password was wrong. */
  fail(): Promise<void>;
  /** The password was right: this client's failures with the account are cleared, and the client is known from now on. */
  succeed(): Promise<void>;
  /** Nothing was checked, or the account does not change. */
  release(): Promise<void>;
}

/** Kinds of mail with separate budgets. */
export type MailKind = 'reset' | 'verification';

export type LoginLimits = ReturnType<typeof createLoginLimits>;

/** A budget and the key that is counted in it. */
type Budget = readonly [counter: RateLimiterRedis, key: string];

/** Seconds. Each further lockout of a client from an account lasts twice as long as the last one, up to this. */
const LOCKOUT_MAX_SECONDS = 86_400;
/** Better Auth's links are valid for twice as many seconds. */
const MAIL_WINDOW_MAX_SECONDS = 1_800;
/** Seconds for which a client stays known after a sign-in. */
const KNOWN_SECONDS = 30 * 86_400;

const UNLIMITED: Attempt = { fail: async () => {}, succeed: async () => {}, release: async () => {} };

/**
 * Limits failed sign-ins and mails. Accounts are keyed hashes and clients are networks, so Valkey and the log do not show who
 * signs in. All processes share the counters; while Valkey is unavailable, each process counts in its own memory.
 */
export function createLoginLimits({ valkey, settings, log }: Dependencies) {
  const { LOGIN_ATTEMPTS_MAX: max, LOGIN_ATTEMPTS_WINDOW_SECONDS: window } = settings;
  const prefix = settings.OTEL_SERVICE_NAME;
  // A shared budget below the budget of one client and account would make that one pointless.
  const networkMax = Math.max(max, settings.LOGIN_ATTEMPTS_NETWORK_MAX);
  const accountMax = Math.max(max, settings.LOGIN_ATTEMPTS_ACCOUNT_MAX);

  const limiter = (name: string, points: number, duration = window): RateLimiterRedis => {
    const options = { keyPrefix: `${prefix}:${name}`, points, duration };
    return new RateLimiterRedis({
      ...options,
      storeClient: valkey,
      rejectIfRedisNotReady: true,
      insuranceLimiter: new RateLimiterMemory(options),
    });
  };
  const pairs = limiter('login', max);
  const lockouts = limiter('login-lockouts', Number.MAX_SAFE_INTEGER, LOCKOUT_MAX_SECONDS);
  const networks = limiter('login-network', networkMax);
  const accounts = limiter('login-account', accountMax);
  const changes = limiter('password-change', max);
  const links = limiter('link', networkMax);
  // A mailbox whose budget is used up must hold links that are still valid.
  const mailWindow = Math.min(window, MAIL_WINDOW_MAX_SECONDS);
  const mailNetworkMax = Math.max(max, settings.MAIL_REQUESTS_NETWORK_MAX);
  const signUps = limiter('sign-up', mailNetworkMax);
  const mailPairs = limiter('mail', settings.MAIL_REQUESTS_MAX, mailWindow);
  const mailboxes = limiter('mailbox', settings.MAIL_REQUESTS_ADDRESS_MAX, mailWindow);
  const mailNetworks = limiter('mail-network', mailNetworkMax);

  const networkOf = (address: string) => clientNetwork(address, settings.RATE_LIMIT_IPV6_PREFIX);
  const pairOf = (email: string, address: string) => `${accountHash(email)}:${networkOf(address)}`;
  const knownKey = (pair: string) => `${prefix}:login-known:${pair}`;
  const isKnown = async (pair: string) => (await valkey.exists(knownKey(pair)).catch(() => 0)) === 1;

  /** Identifies an account in keys and in the log. The hash is keyed, because email addresses can be guessed. */
  function accountHash(email: string): string {
    const mac = createHmac('sha256', settings.AUTH_SECRET).update(`account:${email.toLowerCase()}`);
    return mac.digest('base64url').slice(0, 22);
  }

  /** @throws TooManyAttemptsError */
  async function consume([counter, key]: Budget, account?: string): Promise<RateLimiterRes> {
    try {
      return await counter.consume(key);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const policy = counter.keyPrefix.slice(prefix.length + 1);
      // Once per window: a refused request must cost less than the attempt that it prevents.
      if (refusal.consumedPoints === counter.points + 1) log.warn({ policy, account }, 'login limit reached');
      throw new TooManyAttemptsError(
        { name: policy, max: counter.points, seconds: counter.duration },
        Math.ceil(refusal.msBeforeNext / 1_000),
      );
    }
  }

  /** Updates counters after the outcome is settled: a failure of Valkey must not change the response. */
  async function update(...work: readonly Promise<unknown>[]): Promise<void> {
    await Promise.all(work).catch((error) => log.warn({ err: error }, 'login limits not updated'));
  }

  const giveBack = (budgets: readonly Budget[]) =>
    update(...budgets.map(([counter, key]) => counter.reward(key)));

  const trust = (pair: string) =>
    update(pairs.delete(pair), lockouts.delete(pair), valkey.set(knownKey(pair), '1', 'EX', KNOWN_SECONDS));

  /** Locks a client out for longer each time that it uses up its budget for an account. */
  async function lockOut(pair: string): Promise<void> {
    const { consumedPoints: times } = await lockouts.penalty(pair);
    if (times > 1) await pairs.block(pair, Math.min(window * 2 ** (times - 1), LOCKOUT_MAX_SECONDS));
  }

  /**
   * Counts an attempt as failed before the password is checked, so that parallel guesses are bounded too.
   *
   * @param shared budgets that strangers can use up; they do not refuse a client that has signed in to the account before
   * @throws TooManyAttemptsError
   */
  async function begin(account: string, address: string, shared: readonly Budget[]): Promise<Attempt> {
    if (!settings.RATE_LIMIT_ENABLED) return UNLIMITED;
    const pair = `${account}:${networkOf(address)}`;
    const { remainingPoints } = await consume([pairs, pair], account);
    const reserved: Budget[] = [[pairs, pair]];
    for (const budget of shared) {
      try {
        await consume(budget, account);
      } catch (error) {
        if (!(await isKnown(pair))) {
          await giveBack(reserved);
          throw error;
        }
      }
      reserved.push(budget);
    }
    return {
      async fail() {
        log.warn({ account }, 'wrong password');
        if (remainingPoints === 0) await update(lockOut(pair));
      },
      async succeed() {
        await giveBack(reserved.slice(1));
        await trust(pair);
      },
      release: () => giveBack(reserved),
    };
  }

  return {
    accountHash,

    /** @throws TooManyAttemptsError */
    beginSignIn: (email: string, address: string): Promise<Attempt> =>
      begin(accountHash(email), address, [
        [networks, networkOf(address)],
        [accounts, accountHash(email)],
      ]),

    /**
     * For the current password that a change requires: only sessions of the account use up its budget.
     *
     * @throws TooManyAttemptsError
     */
    beginPasswordChange: (email: string, address: string): Promise<Attempt> =>
      begin(accountHash(email), address, [
        [networks, networkOf(address)],
        [changes, accountHash(email)],
      ]),

    /**
     * Counts a mailed link whose token is wrong. It is counted after the check: another client of the network must not be able
     * to block valid links, and a token has too many bits to be guessed.
     *
     * @throws TooManyAttemptsError
     */
    async countWrongLink(address: string): Promise<void> {
      if (settings.RATE_LIMIT_ENABLED) await consume([links, networkOf(address)]);
    },

    /** Clears a client's failures with an account and makes it known, after its user has proved to own the account. */
    async trustClient(email: string, address: string): Promise<void> {
      if (settings.RATE_LIMIT_ENABLED) await trust(pairOf(email, address));
    },

    /** @throws TooManyAttemptsError */
    async countSignUp(address: string): Promise<void> {
      if (settings.RATE_LIMIT_ENABLED) await consume([signUps, networkOf(address)]);
    },

    /**
     * Counts a request for a mail.
     *
     * @returns false if unknown clients have used up the budget of the mailbox: it has mails whose links are still valid
     * @throws TooManyAttemptsError
     */
    async countMail(kind: MailKind, email: string, address: string): Promise<boolean> {
      if (!settings.RATE_LIMIT_ENABLED) return true;
      const account = accountHash(email);
      const pair = pairOf(email, address);
      await consume([mailPairs, `${kind}:${pair}`], account);
      try {
        await consume([mailNetworks, networkOf(address)]);
      } catch (error) {
        if (!(await isKnown(pair))) throw error;
      }
      try {
        await consume([mailboxes, `${kind}:${account}`], account);
        return true;
      } catch (error) {
        if (!(error instanceof TooManyAttemptsError)) throw error;
        return isKnown(pair);
      }
    },
  };
}
