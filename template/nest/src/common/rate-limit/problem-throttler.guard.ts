import { Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerRequest } from '@nestjs/throttler';
import { DomainError } from '../errors/domain-error.js';

/**
 * @nestjs/throttler with the header fields of draft-ietf-httpapi-ratelimit-headers (`RateLimit`, `RateLimit-Policy`)
 * in place of its `X-RateLimit-*`, and with a problem document as the answer.
 */
@Injectable()
export class ProblemThrottlerGuard extends ThrottlerGuard {
  protected override async handleRequest({
    context,
    limit,
    ttl,
    throttler,
    blockDuration,
    getTracker,
    generateKey,
  }: ThrottlerRequest): Promise<boolean> {
    const { req, res } = this.getRequestResponse(context);
    const name = throttler.name ?? 'default';
    const key = generateKey(context, await getTracker(req, context), name);
    const hit = await this.storageService.increment(key, ttl, limit, blockDuration, name);
    const remaining = Math.max(0, limit - hit.totalHits);
    const seconds = hit.isBlocked ? hit.timeToBlockExpire : hit.timeToExpire;

    this.setResponseHeader(res, 'ratelimit-policy', `"${name}";q=${limit};w=${Math.ceil(ttl / 1000)}`);
    this.setResponseHeader(res, 'ratelimit', `"${name}";r=${remaining};t=${seconds}`);
    if (!hit.isBlocked) return true;
    this.setResponseHeader(res, 'retry-after', String(seconds));
    throw new DomainError(`Too many requests. Try again in ${seconds} s.`, 'RATE_LIMITED');
  }
}
