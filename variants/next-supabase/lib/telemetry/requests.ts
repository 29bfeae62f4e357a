import { log } from '../log.ts';
import { requestDuration } from './metrics.ts';
import { noteRequest } from './recent.ts';
import { serverSpan } from './server-span.ts';

interface Answered {
  /** Where the log does not know it by itself. */
  readonly requestId?: string;
  readonly method: string;
  readonly path: string;
  /** The path with the names of its parameters; undefined where it is one that nobody knows. */
  readonly route?: string;
  readonly status: number;
  /** Of `performance.now()`. */
  readonly started: number;
}

/** One line of the log and one measurement per request, and the name of its span. */
export function recordRequest({ started, ...request }: Answered): void {
  const ms = performance.now() - started;
  noteRequest(ms, request.status);
  requestDuration.record(ms / 1_000, {
    'http.request.method': request.method,
    'http.response.status_code': request.status,
    // Unknown paths share one label, or a scanner could fill the memory of Prometheus.
    ...(request.route !== undefined && { 'http.route': request.route }),
  });
  if (request.route !== undefined) {
    const span = serverSpan().getStore();
    span?.setAttribute('http.route', request.route).updateName(`${request.method} ${request.route}`);
  }
  log().info({ ...request, durationMs: Math.round(ms * 10) / 10 }, 'request');
}
