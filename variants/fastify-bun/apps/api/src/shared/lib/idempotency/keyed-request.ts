import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Json } from '../errors/domain-error.js';
import { callerOf } from '../http/caller.js';
import { fingerprint } from './fingerprint.js';
import { IDEMPOTENCY_KEY_PATTERN } from './idempotency-key.js';
import type { KeyedRequest, Outcome } from './types.js';

/** The header fields of a request whose repetition would hurt. */
export const IdempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(
      new RegExp(IDEMPOTENCY_KEY_PATTERN),
      'Idempotency-Key must be 1 to 255 printable ASCII characters without spaces',
    )
    .optional()
    .describe('unique to this request, e.g. a UUID: a repetition is answered like the first'),
});

/** The request, where it names an `Idempotency-Key`. */
export function keyedRequest(request: FastifyRequest): KeyedRequest | undefined {
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string') return undefined;
  const asked = { method: request.method, path: request.url, body: (request.body ?? null) as Json };
  return { userId: callerOf(request), key, fingerprint: fingerprint(asked) };
}

/** Says of an answer that it is that of an earlier request. */
export function replayed<Reply extends FastifyReply>(
  reply: Reply,
  { isRepeated }: Pick<Outcome<unknown>, 'isRepeated'>,
): Reply {
  if (isRepeated) reply.header('idempotency-replayed', 'true');
  return reply;
}
