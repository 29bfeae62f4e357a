import type { IncomingMessage, ServerResponse } from 'node:http';
import { namedProblem } from '../lib/errors/named-problem.ts';
import { PROBLEM_JSON, statusToProblem } from '../lib/errors/problem.ts';

/** Next.js answers a method that a route does not take, and a path that it cannot read, with a bare status. */
export function answerInProblems(request: IncomingMessage, response: ServerResponse): void {
  const end = response.end.bind(response);
  response.end = ((...args: Parameters<typeof end>) => {
    if (response.statusCode < 400 || response.hasHeader('content-type')) {
      return end(...args);
    }
    const instance = request.url?.split('?', 1)[0] ?? '/';
    const id = String(request.headers['x-request-id']);
    const detail =
      response.statusCode === 405 ? `${request.method} is not for this path.` : 'The request is refused.';
    response.setHeader('content-type', PROBLEM_JSON);
    return end(JSON.stringify(namedProblem(statusToProblem(response.statusCode, detail, instance, id))));
  }) as typeof response.end;
}
