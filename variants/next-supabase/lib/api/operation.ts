import { z } from 'zod';
import { IDEMPOTENCY_KEY_PATTERN } from '@/lib/idempotency/idempotency-key';
import type { Access } from './handler';

/** A request header that an operation reads, and what may be wrong with it. */
export interface HeaderParameter {
  readonly name: string;
  readonly required: boolean;
  readonly description: string;
  readonly problems: readonly string[];
  readonly schema: z.ZodType;
}

/** The body of an answer: JSON, none (null), or by media type. */
type AnswerBody = z.ZodType | null | Readonly<Record<string, z.ZodType>>;

/** What the OpenAPI document says of a route besides what its schemas say. */
export interface Description {
  /** Unique, in camelCase: generators of clients name functions by it. */
  readonly operationId: string;
  readonly summary: string;
  readonly headers?: readonly HeaderParameter[];
  /** What it answers where nothing is wrong, by status. */
  readonly answers: Readonly<Record<number, AnswerBody>>;
  /** Codes of `problem-catalog.ts`, besides those that follow from access, path, query, headers and body. */
  readonly problems?: readonly string[];
}

/** All that is declared of a route. */
export interface Operation extends Partial<Description> {
  readonly access: Access;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** False for what answers paths that nobody knows. */
  readonly isRoute?: boolean;
}

export const IF_MATCH: HeaderParameter = {
  name: 'If-Match',
  // It is, and what is missing without it is told by a status of its own (RFC 6585, 3).
  required: false,
  description: 'The ETag that was last read, e.g. "3". Without it: 428.',
  problems: ['BAD_REQUEST', 'PRECONDITION_REQUIRED', 'VERSION_CONFLICT'],
  schema: z.string(),
};

export const IF_NONE_MATCH: HeaderParameter = {
  name: 'If-None-Match',
  required: false,
  description: 'ETags that are known: where the current one is among them, the answer is 304.',
  problems: [],
  schema: z.string(),
};

export const IDEMPOTENCY_KEY: HeaderParameter = {
  name: 'Idempotency-Key',
  required: false,
  description:
    'A repetition with the same key is answered like the first request, and has no effect of its own.',
  problems: ['VALIDATION_FAILED', 'IDEMPOTENCY_KEY_REUSED'],
  schema: z.string().regex(new RegExp(IDEMPOTENCY_KEY_PATTERN)),
};
