import { idempotencyKeys } from '@app/database';
import { idempotentHeaders } from '@app/shared';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { and, eq } from 'drizzle-orm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { DatabaseService } from '../database/database.service.js';
import { DomainError, type Json } from '../errors/domain-error.js';
import { violatedConstraint } from '../errors/sql-state.js';
import { refusal } from '../validation/validation.pipe.js';
import { fingerprint } from './fingerprint.js';
import { replayedHeaders } from './replayed-headers.js';

/**
 * Answers a repeated request like the first (draft-ietf-httpapi-idempotency-key-header). The answer is stored in the
 * transaction of the request's effect, so that neither exists without the other; a request that fails stores nothing.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly db: DatabaseService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const headers = idempotentHeaders.safeParse(request.headers);
    if (!headers.success) throw refusal(headers.error.issues);
    const key = headers.data['idempotency-key'];
    if (key === undefined) return next.handle();

    const print = fingerprint({
      method: request.method,
      path: request.url,
      body: (request.body ?? null) as Json,
    });
    const run = () =>
      this.run(key, print, () => lastValueFrom(next.handle()), http.getResponse<FastifyReply>());
    return from(
      run().catch((error: unknown) => {
        // The same key at the same moment: one was first, and this one answers like it.
        if (violatedConstraint(error) === 'idempotency_keys_pkey') return run();
        throw error;
      }),
    );
  }

  private run(
    key: string,
    print: Buffer,
    handle: () => Promise<unknown>,
    reply: FastifyReply,
  ): Promise<unknown> {
    return this.db.transaction(async () => {
      // The tenant is named for the index: the policy also knows rows that have expired, which it cannot use one for.
      const ours = eq(idempotencyKeys.tenantId, this.db.tenantId);
      const [known] = await this.db
        .select()
        .from(idempotencyKeys)
        .where(and(ours, eq(idempotencyKeys.key, key)));
      if (known !== undefined) {
        if (!known.fingerprint.equals(print)) {
          const words = 'This Idempotency-Key was used for another request. Use a new key.';
          throw new DomainError(words, 'IDEMPOTENCY_KEY_REUSED', { key });
        }
        reply.headers({ ...known.headers, 'idempotency-replayed': 'true' });
        return known.response;
      }
      const response = await handle();
      const headers = replayedHeaders((name) => reply.getHeader(name));
      const row = { tenantId: this.db.tenantId, key, fingerprint: print, response, headers };
      this.db.atCommit(() => this.db.insert(idempotencyKeys).values(row));
      return response;
    });
  }
}
