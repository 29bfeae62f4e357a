import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import { CONFIG } from '../common/config/config.module.js';
import { POOL } from '../common/database/pool.js';
import { DomainError } from '../common/errors/domain-error.js';
import { clientNetwork } from '../common/http/client-network.js';
import { SecurityLog } from '../common/logging/security-log.js';
import type { Config } from '../config/config.js';
import { InvalidCredentialsError } from './auth.errors.js';

const DAY_SECONDS = 86_400;

/** How long a network from which an account signed in counts as known. */
const KNOWN_SECONDS = 90 * DAY_SECONDS;

/** The codes of a token that does not exist, has expired or is used. */
const TOKEN_FAILURES: ReadonlySet<string> = new Set(['INVALID_TOKEN', 'INVITATION_NOT_FOUND']);

/** How long a process refuses by a budget that it has found used up, before it looks at the count again. */
const REMEMBERED_MS = 5_000;

/** Attempts that are still running count as failures. A budget is used up if it still is after this time. */
const CONFIRMED_AFTER_MS = 1_000;

/** By what a password is tried: an address, which anybody has, or a session or the token of a mail, which owners have. */
export type ProvenBy = 'address' | 'owner';

/** A limiter and the key that is counted. */
type Budget = readonly [limiter: RateLimiterPostgres, key: string];

/**
 * Limits wrong passwords per account and client network, per client network, and per account over all networks. Strangers
 * can use up the last two, which therefore do not bind a network from which the account has signed in before. Counted in
 * PostgreSQL, so that all processes share the counts.
 */
@Injectable()
export class LoginLimitService {
  private readonly pairs: RateLimiterPostgres;
  private readonly blocks: RateLimiterPostgres;
  private readonly networks: RateLimiterPostgres;
  private readonly accounts: RateLimiterPostgres;
  private readonly tokens: RateLimiterPostgres;
  private readonly known: RateLimiterPostgres;
  /** Shared budgets that are used up, until they are renewed: a refusal then costs no query of them. */
  private readonly usedUp = new LRUCache<string, { readonly until: number; readonly checkedAt: number }>({
    max: 10_000,
  });

  /** Reads of budgets that may be used up by attempts that are still running. */
  private readonly confirmations = new Map<string, Promise<RateLimiterRes | null>>();

  constructor(
    @Inject(POOL) pool: Pool,
    @Inject(CONFIG) private readonly config: Config,
    private readonly securityLog: SecurityLog,
  ) {
    const { LOGIN_ATTEMPTS_MAX: max, LOGIN_ATTEMPTS_WINDOW_SECONDS: window } = config;
    const limiter = (keyPrefix: string, points: number, duration: number, options: object = {}) =>
      new RateLimiterPostgres({
        storeClient: pool,
        tableName: 'rate_limits',
        tableCreated: true,
        keyPrefix: `login-${keyPrefix}`,
        points,
        duration,
        ...options,
      });
    this.pairs = limiter('pair', max, window);
    this.blocks = limiter('blocks', Number.MAX_SAFE_INTEGER, DAY_SECONDS);
    this.networks = limiter('network', config.LOGIN_ATTEMPTS_NETWORK_MAX, window);
    // Below the budget of one network, it would make that one pointless.
    this.accounts = limiter('account', Math.max(max, config.LOGIN_ATTEMPTS_ACCOUNT_MAX), window);
    this.tokens = limiter('token', config.LOGIN_ATTEMPTS_NETWORK_MAX, window, {
      inMemoryBlockOnConsumed: config.LOGIN_ATTEMPTS_NETWORK_MAX + 1, // further refusals write nothing
    });
    this.known = limiter('known', Number.MAX_SAFE_INTEGER, KNOWN_SECONDS);
  }

  /**
   * Runs an attempt at an account's password. It is counted before it runs, so that parallel guesses count too. A success
   * clears the count of the account in this network, and any failure but InvalidCredentialsError is taken back. A refusal
   * writes nothing: budgets that are used up are found by reading, before any is counted.
   *
   * @param email of the account, which need not exist
   * @param address of the client
   * @param proof owners have an account-wide budget apart, which strangers cannot use up
   * @throws DomainError RATE_LIMITED without running the attempt
   */
  async guardPassword<Result>(
    email: string,
    address: string,
    proof: ProvenBy,
    attempt: () => Promise<Result>,
  ): Promise<Result> {
    const account = this.securityLog.accountHash(email);
    if (!this.config.RATE_LIMIT_ENABLED) return this.logFailure(account, attempt);
    const network = this.networkOf(address);
    const pair = keyOf(email, network);
    const isKnown = (await this.known.get(pair)) !== null;
    const shared: readonly Budget[] = isKnown
      ? []
      : [
          [this.networks, keyOf(network)],
          [this.accounts, keyOf(proof, email)],
        ];
    for (const budget of shared) await this.assertLeft(budget, account);
    await this.assertNotBlocked(pair);
    const taken: Budget[] = [];
    try {
      // The pair first: parallel guesses that it refuses must not use up what others share.
      await this.takePair(pair, account);
      taken.push([this.pairs, pair]);
      for (const budget of shared) {
        await this.take(budget);
        taken.push(budget);
      }
      const result = await this.logFailure(account, attempt);
      await this.clear(pair, taken);
      return result;
    } catch (error) {
      if (!(error instanceof InvalidCredentialsError))
        await Promise.all(taken.map(([limiter, key]) => limiter.reward(key)));
      throw error;
    }
  }

  /**
   * Runs an attempt at a token of a mail, and counts it if the token is invalid. A valid token is never refused: it cannot
   * be guessed, and it is what an owner has left whose network an attacker shares.
   *
   * @throws DomainError RATE_LIMITED in place of the token's error, beyond LOGIN_ATTEMPTS_NETWORK_MAX per client network
   */
  async guardToken<Result>(address: string, attempt: () => Promise<Result>): Promise<Result> {
    try {
      return await attempt();
    } catch (error) {
      if (this.config.RATE_LIMIT_ENABLED && error instanceof DomainError && TOKEN_FAILURES.has(error.code))
        await this.takeToken(address);
      throw error;
    }
  }

  /** Clears the failures of an account in the client's network, where its owner has shown to be. */
  async forgive(email: string, address: string): Promise<void> {
    if (this.config.RATE_LIMIT_ENABLED) await this.clear(keyOf(email, this.networkOf(address)));
  }

  private async logFailure<Result>(account: string, attempt: () => Promise<Result>): Promise<Result> {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof InvalidCredentialsError)
        this.securityLog.warn('authn_login_fail', { account, userId: error.userId });
      throw error;
    }
  }

  private networkOf(address: string): string {
    return clientNetwork(address, this.config.RATE_LIMIT_IPV6_PREFIX);
  }

  /** @throws DomainError RATE_LIMITED if a shared budget is used up, as this process remembers or the table says */
  private async assertLeft([limiter, key]: Budget, account: string): Promise<void> {
    const name = limiter.getKey(key);
    const remembered = this.usedUp.get(name);
    if (remembered !== undefined && Date.now() - remembered.checkedAt < REMEMBERED_MS)
      refuse(remembered.until - Date.now());
    let count = await limiter.get(key);
    if (isUsedUp(count) && remembered === undefined) count = await this.confirm(name, limiter, key);
    if (!isUsedUp(count)) {
      this.usedUp.delete(name);
      return;
    }
    const isFirst = !this.usedUp.has(name);
    const [now, wait] = [Date.now(), Math.max(1, count.msBeforeNext)];
    this.usedUp.set(name, { until: now + wait, checkedAt: now }, { ttl: wait });
    if (isFirst) this.securityLog.warn('authn_login_lock', { account, limit: limiter.keyPrefix });
    refuse(wait);
  }

  /** Reads a count again after a time, once for all requests that wait for it. */
  private confirm(name: string, limiter: RateLimiterPostgres, key: string): Promise<RateLimiterRes | null> {
    const running = this.confirmations.get(name);
    if (running !== undefined) return running;
    const read = setTimeout(CONFIRMED_AFTER_MS)
      .then(() => limiter.get(key))
      .finally(() => this.confirmations.delete(name));
    this.confirmations.set(name, read);
    return read;
  }

  private async assertNotBlocked(pair: string): Promise<void> {
    const count = await this.pairs.get(pair);
    if (count !== null && count.consumedPoints > this.pairs.points) refuse(count.msBeforeNext);
  }

  private async take([limiter, key]: Budget): Promise<void> {
    try {
      await limiter.consume(key);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      // Attempts that are still running use up the budget, and this one has not run: it must not count.
      await limiter.reward(key);
      refuse(Math.min(error.msBeforeNext, REMEMBERED_MS));
    }
  }

  private async takeToken(address: string): Promise<void> {
    try {
      await this.tokens.consume(keyOf(this.networkOf(address)));
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      if (error.consumedPoints === this.tokens.points + 1)
        this.securityLog.warn('excess_rate_limit_exceeded', { limit: this.tokens.keyPrefix });
      refuse(error.msBeforeNext);
    }
  }

  /** Each time that a pair uses up its attempts, it is blocked for twice as long as before, up to a day. */
  private async takePair(pair: string, account: string): Promise<void> {
    try {
      await this.pairs.consume(pair);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      if (error.consumedPoints !== this.config.LOGIN_ATTEMPTS_MAX + 1) refuse(error.msBeforeNext);
      this.securityLog.warn('authn_login_lock', { account, limit: this.pairs.keyPrefix });
      const { consumedPoints: times } = await this.blocks.consume(pair);
      if (times === 1) refuse(error.msBeforeNext);
      const seconds = this.config.LOGIN_ATTEMPTS_WINDOW_SECONDS * 2 ** (times - 1);
      refuse((await this.pairs.block(pair, Math.min(seconds, DAY_SECONDS))).msBeforeNext);
    }
  }

  private async clear(pair: string, taken: readonly Budget[] = []): Promise<void> {
    await Promise.all([
      this.pairs.delete(pair),
      this.blocks.delete(pair),
      this.known.set(pair, 1, KNOWN_SECONDS),
      ...taken.filter(([limiter]) => limiter !== this.pairs).map(([limiter, key]) => limiter.reward(key)),
    ]);
  }
}

/** Hashed: the table shows nobody who signs in, or from where. */
function keyOf(...values: string[]): string {
  return createHash('sha256').update(values.join('\n')).digest('base64url');
}

function isUsedUp(count: RateLimiterRes | null): count is RateLimiterRes {
  return count !== null && count.remainingPoints <= 0;
}

/** @param wait in milliseconds */
function refuse(wait: number): never {
  const seconds = Math.max(1, Math.ceil(wait / 1_000));
  throw new DomainError(
    `Too many failed attempts. Try again in ${seconds} s, or reset the password by mail.`,
    'RATE_LIMITED',
    {},
    { retryAfter: seconds },
  );
}
