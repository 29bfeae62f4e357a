import { z } from 'zod';

/** Header fields of a read. */
export const readHeaders = z.object({
  'if-none-match': z.string().optional().meta({ description: 'ETags already held' }),
});

/** Header fields of a change. Without `If-Match` the answer is 428, which says more than a plain 400. */
export const changeHeaders = z.object({
  'if-match': z.string().optional().meta({ description: 'the ETag last read, e.g. "3"; 428 without it' }),
});

/** Header fields of a request that may be repeated (draft-ietf-httpapi-idempotency-key-header). */
export const idempotentHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 printable ASCII characters without spaces')
    .optional()
    .meta({
      description:
        'unique to this request, e.g. a UUID: a repetition is answered like the first; kept for 24 hours',
    }),
});

export type ReadHeaders = z.infer<typeof readHeaders>;
export type ChangeHeaders = z.infer<typeof changeHeaders>;
