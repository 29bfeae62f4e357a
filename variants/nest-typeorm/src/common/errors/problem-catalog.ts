import { COMMON_PROBLEMS } from './common-problems.js';
import type { ProblemType } from './problem.js';

/** Every code that the service answers with. The README's table of errors lists the same. */
export const PROBLEMS: Readonly<Record<string, ProblemType>> = {
  ...COMMON_PROBLEMS,
  EVENT_NOT_FOUND: { status: 404, title: 'There is no such event' },
  SOLD_OUT: { status: 409, title: 'The event is sold out' },
  NOT_ENOUGH_TICKETS: { status: 409, title: 'Fewer tickets are left than were asked for' },
  EVENT_STARTED: { status: 409, title: 'The event has started' },
  CAPACITY_BELOW_SOLD: { status: 409, title: 'The capacity is less than what is sold' },
  VERSION_CONFLICT: { status: 412, title: 'The event was changed in between' },
  PRECONDITION_REQUIRED: { status: 428, title: 'If-Match is required' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The idempotency key belongs to another request' },
  QUEUE_FULL: { status: 503, title: 'Too many purchases are waiting', retryAfter: 1 },
};
