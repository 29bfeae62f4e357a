import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import { CONFIG } from '../common/config/config.module.js';
import { POOL } from '../common/database/pool.js';
import { DomainError } from '../common/errors/domain-error.js';
import type { Config } from '../config/config.js';

/**
 * Bounds how often log-in may be tried for one account, and from one address. Counted in PostgreSQL, so that all processes
 * count together.
 */
@Injectable()
export class LoginLimitService {
  private readonly limiter: RateLimiterPostgres;

  constructor(
    @Inject(POOL) pool: Pool,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.limiter = new RateLimiterPostgres({
      storeClient: pool,
      tableName: 'rate_limits',
      tableCreated: true,
      keyPrefix: 'login',
      points: config.LOGIN_ATTEMPTS_MAX,
      duration: config.LOGIN_ATTEMPTS_WINDOW_SECONDS,
    });
  }

  /** Counts an attempt. @throws DomainError RATE_LIMITED */
  async count(email: string, address: string): Promise<void> {
    if (!this.config.RATE_LIMIT_ENABLED) return;
    try {
      // Not the address itself: the table should tell nobody who logs in.
      await Promise.all([
        this.limiter.consume(keyOf('account', email)),
        this.limiter.consume(keyOf('address', address)),
      ]);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const seconds = Math.ceil(error.msBeforeNext / 1_000);
      throw new DomainError(
        `Too many attempts to log in. Try again in ${seconds} s.`,
        'RATE_LIMITED',
        {},
        { retryAfter: seconds },
      );
    }
  }
}

function keyOf(kind: string, value: string): string {
  return `${kind}:${createHash('sha256').update(value).digest('base64url')}`;
}
