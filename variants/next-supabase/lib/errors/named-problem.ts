import type { Problem } from './problem.ts';

/** What `error` says where it is not the title. */
const WORDS: Readonly<Record<string, string>> = {
  VALIDATION_FAILED: 'Validation failed',
  RATE_LIMITED: 'Rate limit exceeded',
  INTERNAL: 'Internal server error',
};

/** A problem document with `error` and `details`, which clients of this API read, beside the members of RFC 9457. */
export function namedProblem(problem: Problem): object {
  const { code, title, errors } = problem;
  return { ...problem, error: WORDS[code] ?? title, ...(errors && { details: errors }) };
}
