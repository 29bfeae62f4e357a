import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { RequestHandler } from 'express';
import { DomainError } from '../errors/domain-error.js';
import { ALWAYS_ANSWERED } from './request-lifecycle.js';

/** How often the delay is looked at. */
const SAMPLE_MS = 1_000;
const RESOLUTION_MS = 10;

/**
 * Answers 503 while the event loop is late: a request that could not be finished anyway makes the others late, too.
 *
 * @param maxDelay the mean delay of the last second, in milliseconds, above which requests are shed
 */
export function shedLoad(maxDelay: number): RequestHandler {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let delay = 0;
  setInterval(() => {
    // The histogram counts from one timer to the next, so a loop that is idle shows its resolution.
    delay = Math.max(0, histogram.mean / 1e6 - RESOLUTION_MS) || 0;
    histogram.reset();
  }, SAMPLE_MS).unref();
  return (request, _response, next) => {
    if (delay <= maxDelay || ALWAYS_ANSWERED.test(request.url)) next();
    else next(new DomainError('The service has more to do than it can. Try again shortly.', 'OVERLOADED'));
  };
}
