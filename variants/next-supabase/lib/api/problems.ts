import { DomainError } from '@/lib/errors/domain-error';
import { namedProblem } from '@/lib/errors/named-problem';
import { postgresToDomainError } from '@/lib/errors/postgres-errors';
import { internalProblem, PROBLEM_JSON, retryAfter, toProblem } from '@/lib/errors/problem';
import { log } from '@/lib/log';

/** The one place that makes an HTTP answer out of an error. */
export function problemResponse(
  error: unknown,
  instance: string,
  requestId: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const known = error instanceof DomainError ? error : postgresToDomainError(error);
  const problem =
    known === undefined ? internalProblem(instance, requestId) : toProblem(known, instance, requestId);
  if (problem.status >= 500) log().error({ err: error, code: problem.code }, 'the request failed');
  else if (known !== undefined)
    log().debug({ code: problem.code, ...known.context }, 'the request was refused');
  const seconds = retryAfter(problem);
  return new Response(JSON.stringify(namedProblem(problem)), {
    status: problem.status,
    headers: {
      ...headers,
      'content-type': PROBLEM_JSON,
      ...(problem.status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(seconds !== undefined && { 'retry-after': `${seconds}` }),
    },
  });
}
