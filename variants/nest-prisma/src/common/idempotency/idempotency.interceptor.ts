import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { Database } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import { DomainError, type Json } from '../errors/domain-error.js';
import { fingerprint } from './fingerprint.js';
import { IDEMPOTENCY_KEY_PATTERN, readIdempotencyKey } from './idempotency-key.js';
import { replayedHeaders } from './replayed-headers.js';

/** How long an answer is remembered at least. */
const RETENTION_MS = 24 * 60 * 60 * 1_000;

/** How many that are older are forgotten with each new one. */
const FORGOTTEN_AT_ONCE = 20;

/** How the OpenAPI document describes the header field. */
export const IDEMPOTENCY_KEY_HEADER = {
  name: 'Idempotency-Key',
  required: false,
  description:
    'unique to this request, e.g. a UUID: a repetition is answered like the first; kept for 24 hours',
  schema: { type: 'string' as const, pattern: IDEMPOTENCY_KEY_PATTERN },
};

/**
 * Answers a repeated request like the first (draft-ietf-httpapi-idempotency-key-header). The answer is stored in the
 * transaction of the request's effect, so that neither exists without the other; a request that fails stores nothing.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly database: Database) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    const key = readIdempotencyKey(request.get('idempotency-key'));
    if (key === undefined) return next.handle();

    const print = fingerprint({
      method: request.method,
      path: request.originalUrl,
      body: (request.body ?? null) as Json,
    });
    const handle = () => lastValueFrom(next.handle());
    return from(this.run(key, print, handle, http.getResponse<Response>()));
  }

  private run(
    key: string,
    print: Buffer,
    handle: () => Promise<unknown>,
    response: Response,
  ): Promise<unknown> {
    return this.database.transaction(async (client) => {
      await this.waitForOthers(key);
      const known = await client.idempotencyKey.findFirst({ where: { key } });
      if (known !== null) {
        if (!print.equals(known.fingerprint)) {
          const words = 'This Idempotency-Key was used for another request. Use a new key.';
          throw new DomainError(words, 'IDEMPOTENCY_KEY_REUSED', { key });
        }
        response
          .status(known.status)
          .set(known.headers as Record<string, string>)
          .set('idempotency-replayed', 'true');
        return JSON.parse(known.response);
      }
      const answer = await handle();
      await this.forgetOld();
      await client.idempotencyKey.create({
        data: {
          key,
          fingerprint: new Uint8Array(print),
          status: response.statusCode,
          response: JSON.stringify(answer),
          headers: replayedHeaders((name) => response.get(name)),
        },
      });
      return answer;
    });
  }

  /** Of requests with the same key at the same moment one is first, and the others answer like it. */
  private async waitForOthers(key: string): Promise<void> {
    await this.database.sql(
      (organizationId) =>
        Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended(${organizationId} || ${key}, 0))::text`,
    );
  }

  /** Whoever adds keys takes old ones away, a few at a time. */
  private async forgetOld(): Promise<void> {
    const { idempotencyKey } = this.database.client;
    const old = await idempotencyKey.findMany({
      where: { createdAt: { lt: new Date(Date.now() - RETENTION_MS) } },
      select: { key: true },
      orderBy: { createdAt: 'asc' },
      take: FORGOTTEN_AT_ONCE,
    });
    if (old.length > 0)
      await idempotencyKey.deleteMany({ where: { key: { in: old.map(({ key }) => key) } } });
  }
}
