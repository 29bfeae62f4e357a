import { processWide } from './process-wide.ts';

/** Whether the process has been told to stop: readiness says so, and answers ask clients to close their connections. */
export function drain(): { draining: boolean } {
  return processWide('drain', () => ({ draining: false }));
}
