import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { scopeOf } from '../../auth/access.guard.js';
import { isOrganizationScope } from '../../database/scope.js';
import { DomainError } from '../errors/domain-error.js';

/** Each open stream of events is read for at least every 15 s, so a user has at most so many at a process. */
const STREAMS_MAX = 20;

/** In seconds. */
const RETRY_AFTER = 15;

/** How many streams are open, by user or organization. */
const open = new Map<string, number>();

/** Limits the streams of events that a user, or another service for an organization, has open at this process. */
@Injectable()
export class StreamLimitGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const response = context.switchToHttp().getResponse<Response>();
    // The client has left already: `close` was emitted, and would not be again.
    if (response.destroyed) return false;
    const scope = scopeOf(context);
    const key = isOrganizationScope(scope) ? (scope.userId ?? scope.organizationId) : '';
    const count = open.get(key) ?? 0;
    if (count >= STREAMS_MAX) {
      const words = `You have ${STREAMS_MAX} streams of events open, which is the limit. Close one first.`;
      throw new DomainError(words, 'RATE_LIMITED', {}, { retryAfter: RETRY_AFTER });
    }
    open.set(key, count + 1);
    response.once('close', () => {
      const left = (open.get(key) ?? 1) - 1;
      if (left > 0) open.set(key, left);
      else open.delete(key);
    });
    return true;
  }
}
