import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import { CONFIG } from '../common/config/config.module.js';
import { POOL } from '../common/database/pool.js';
import { DomainError } from '../common/errors/domain-error.js';
import { clientNetwork } from '../common/http/client-network.js';
import { SecurityLog } from '../common/logging/security-log.js';
import type { Config } from '../config/config.js';

/** Each kind of mail has its own counts. */
export type MailKind = 'registration' | 'reset' | 'invitation';

/** Providers assign a /48 or less to a customer, who has 65,536 networks of 64 bits in it. */
const CUSTOMER_PREFIX = 48;

/**
 * Limits the mails that requests cause. The counts last as long as the tokens. Strangers can use up the budget that all
 * share for an address; then each customer of a provider, and each tenant, still has one mail to it. So they keep nobody
 * from a registration, a reset or an invitation, and a mailbox gets one further mail per customer and kind.
 */
@Injectable()
export class MailLimitService {
  private readonly networks: RateLimiterPostgres;
  private readonly pairs: RateLimiterPostgres;
  private readonly addresses: RateLimiterPostgres;
  private readonly reserves: RateLimiterPostgres;

  constructor(
    @Inject(POOL) pool: Pool,
    @Inject(CONFIG) private readonly config: Config,
    private readonly securityLog: SecurityLog,
  ) {
    const limiter = (keyPrefix: string, points: number) =>
      new RateLimiterPostgres({
        storeClient: pool,
        tableName: 'rate_limits',
        tableCreated: true,
        keyPrefix: `mail-${keyPrefix}`,
        points,
        duration: config.MAIL_TOKEN_TTL_SECONDS,
        inMemoryBlockOnConsumed: points + 1, // what is used up costs no further query
      });
    this.networks = limiter('network', config.MAIL_REQUESTS_NETWORK_MAX);
    this.pairs = limiter('pair', config.MAIL_REQUESTS_MAX);
    this.addresses = limiter('address', config.MAIL_REQUESTS_ADDRESS_MAX);
    this.reserves = limiter('reserve', 1);
  }

  /**
   * Counts a request of a client network or a tenant. @throws DomainError RATE_LIMITED, whatever address the mail is for
   *
   * @param by the client's address, or a tenant
   */
  async countRequest(kind: MailKind, by: string): Promise<void> {
    if (!this.config.RATE_LIMIT_ENABLED) return;
    const refusal = await this.take(this.networks, keyOf(kind, this.networkOf(by)), kind);
    if (refusal !== undefined) refuse(refusal.msBeforeNext);
  }

  /**
   * Counts a mail to an address, and returns whether it may be sent. The response must not depend on that.
   *
   * @param by the client's address, or a tenant
   */
  async countMail(kind: MailKind, email: string, by: string): Promise<boolean> {
    if (!this.config.RATE_LIMIT_ENABLED) return true;
    const customer = clientNetwork(by, Math.min(CUSTOMER_PREFIX, this.config.RATE_LIMIT_IPV6_PREFIX));
    const allows = async (limiter: RateLimiterPostgres, ...values: string[]) =>
      (await this.take(limiter, keyOf(kind, email, ...values), kind, email)) === undefined;
    return (
      (await allows(this.pairs, this.networkOf(by))) &&
      ((await allows(this.addresses)) || (await allows(this.reserves, customer)))
    );
  }

  /**
   * Counts an invitation of a tenant. @throws DomainError RATE_LIMITED
   *
   * @param email of the invited person
   */
  async countInvitation(email: string, tenantId: string): Promise<void> {
    await this.countRequest('invitation', tenantId);
    if (await this.countMail('invitation', email, tenantId)) return;
    const members = { retryAfter: this.config.MAIL_TOKEN_TTL_SECONDS };
    throw new DomainError(
      'This address was invited too often. Try again later.',
      'RATE_LIMITED',
      {},
      members,
    );
  }

  /**
   * Counts, and returns the refusal if the budget is used up. Logs the first one.
   *
   * @param email that the budget belongs to
   */
  private async take(
    limiter: RateLimiterPostgres,
    key: string,
    kind: MailKind,
    email?: string,
  ): Promise<RateLimiterRes | undefined> {
    try {
      await limiter.consume(key);
      return undefined;
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      if (error.consumedPoints === limiter.points + 1) {
        const account = email === undefined ? undefined : this.securityLog.accountHash(email);
        this.securityLog.warn('excess_rate_limit_exceeded', { account, limit: limiter.keyPrefix, kind });
      }
      return error;
    }
  }

  private networkOf(address: string): string {
    return clientNetwork(address, this.config.RATE_LIMIT_IPV6_PREFIX);
  }
}

/** Hashed: the table shows nobody who gets mails. */
function keyOf(...values: string[]): string {
  return createHash('sha256').update(values.join('\n')).digest('base64url');
}

/** @param wait in milliseconds */
function refuse(wait: number): never {
  const seconds = Math.max(1, Math.ceil(wait / 1_000));
  throw new DomainError(
    `Too many requests for mails. Try again in ${seconds} s.`,
    'RATE_LIMITED',
    {},
    { retryAfter: seconds },
  );
}
