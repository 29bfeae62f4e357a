import type { IncomingMessage, ServerResponse } from 'node:http';
import { namedProblem } from '../lib/errors/named-problem.ts';
import { internalProblem, PROBLEM_JSON, retryAfter, statusToProblem } from '../lib/errors/problem.ts';
import { AllowedMethods, methodNotAllowed } from '../lib/http/allowed-methods.ts';
import { recordRequest } from '../lib/telemetry/requests.ts';
import document from '../openapi.json' with { type: 'json' };

const DETAILS: Readonly<Record<number, (request: IncomingMessage) => string>> = {
  400: () => 'The path cannot be decoded.',
  405: ({ method, url }) => methodNotAllowed(method, allowedAt(url)),
  413: () => 'The body is larger than this service reads.',
  503: () => 'The service has too much to do. Try again later.',
};

const allowed = new AllowedMethods();
for (const [path, operations] of Object.entries(document.paths)) {
  const methods = Object.keys(operations).map((method) => method.toUpperCase());
  allowed.add(path.replace(/\{(\w+)\}/g, ':$1'), methods);
}

/** Paths that are not in the document, such as health and metrics, are read only. */
const allowedAt = (url = '/') => allowed.of(url) ?? 'GET, HEAD';

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
    if (status === 405) response.setHeader('allow', allowedAt(request.url));
    response.setHeader('content-type', PROBLEM_JSON);
    recordRequest({ requestId, method: request.method ?? '', path, status, started });
    return end(JSON.stringify(namedProblem(problem)));
  }) as typeof response.end;
}
