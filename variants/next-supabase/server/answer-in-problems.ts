import type { IncomingMessage, ServerResponse } from 'node:http';
import { namedProblem } from '../lib/errors/named-problem.ts';
import { internalProblem, PROBLEM_JSON, retryAfter, statusToProblem } from '../lib/errors/problem.ts';
import { recordRequest } from '../lib/telemetry/requests.ts';

const DETAILS: Readonly<Record<number, (request: IncomingMessage) => string>> = {
  400: () => 'The path cannot be decoded.',
  405: ({ method }) => `${method} is not for this path.`,
  413: () => 'The body is larger than this service reads.',
  503: () => 'The service has too much to do. Try again later.',
};

/** Next.js answers a method that a route does not take with a bare status, as this server does what never gets there. */
export function answerInProblems(request: IncomingMessage, response: ServerResponse): void {
  const started = performance.now();
  const end = response.end.bind(response);
  response.end = ((...args: Parameters<typeof end>) => {
    const { statusCode: status } = response;
    if (status < 400 || response.hasHeader('content-type')) return end(...args);
    const path = request.url?.split('?', 1)[0] ?? '/';
    const requestId = String(request.headers['x-request-id']);
    const detail = DETAILS[status]?.(request) ?? 'The request is refused.';
    const problem =
      status === 500 ? internalProblem(path, requestId) : statusToProblem(status, detail, path, requestId);
    const seconds = retryAfter(problem);
    if (seconds !== undefined) response.setHeader('retry-after', seconds);
    response.setHeader('content-type', PROBLEM_JSON);
    recordRequest({ requestId, method: request.method ?? '', path, status, started });
    return end(JSON.stringify(namedProblem(problem)));
  }) as typeof response.end;
}
