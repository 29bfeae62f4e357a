import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { ThrottlerStorage } from '@nestjs/throttler';
import type { Request, Response } from 'express';
import { CONFIG } from '../common/config/config.module.js';
import { DomainError } from '../common/errors/domain-error.js';
import type { Config } from '../config/config.js';
import type { Principal } from './principal.js';

interface Budget {
  readonly name: 'user' | 'organization';
  readonly key: string;
  readonly limit: number;
}

/**
 * Bounds what one user may ask for, and what one organization may, whatever addresses the requests come from. Comes after
 * the limit by address, which bounds those who have no token, and says so in the same header fields.
 */
@Injectable()
export class PrincipalLimitGuard implements CanActivate {
  constructor(
    @Inject(ThrottlerStorage) private readonly storage: ThrottlerStorage,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const { principal } = http.getRequest<Request & { principal?: Principal }>();
    if (principal === undefined || !this.config.RATE_LIMIT_ENABLED) return true;
    const response = http.getResponse<Response>();
    const seconds = this.config.RATE_LIMIT_WINDOW_SECONDS;
    const hits = await Promise.all(
      this.budgets(principal).map(async ({ name, key, limit }) => {
        const hit = await this.storage.increment(key, seconds * 1_000, limit, 0, name);
        response.append('ratelimit-policy', `"${name}";q=${limit};w=${seconds}`);
        response.append(
          'ratelimit',
          `"${name}";r=${Math.max(0, limit - hit.totalHits)};t=${hit.timeToExpire}`,
        );
        return { name, ...hit };
      }),
    );
    const refusal = hits.find(({ isBlocked }) => isBlocked);
    if (refusal === undefined) return true;
    throw new DomainError(
      `Too many requests of this ${refusal.name}. Try again in ${refusal.timeToExpire} s.`,
      'RATE_LIMITED',
      {},
      { retryAfter: refusal.timeToExpire },
    );
  }

  private budgets({ identity, organizationId }: Principal): Budget[] {
    const { RATE_LIMIT_USER_MAX: ofUser, RATE_LIMIT_ORGANIZATION_MAX: ofOrganization } = this.config;
    const key = identity.kind === 'user' ? identity.userId : `service:${identity.name}`;
    return [
      { name: 'user', key, limit: ofUser },
      ...(organizationId === null
        ? []
        : [{ name: 'organization' as const, key: organizationId, limit: ofOrganization }]),
    ];
  }
}
