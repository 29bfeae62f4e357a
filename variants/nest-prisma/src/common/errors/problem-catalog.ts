import { COMMON_PROBLEMS } from './common-problems.js';
import type { ProblemType } from './problem.js';

/** Every code that the service answers with. The README's table of errors lists the same. */
export const PROBLEMS: Readonly<Record<string, ProblemType>> = {
  ...COMMON_PROBLEMS,
};
