import { processWide } from './process-wide.ts';

/** What is still to be done when the process stops, after the last response: bounded work that never fails. */
export function shutdownHooks(): Set<() => Promise<void>> {
  return processWide('shutdown', () => new Set());
}
