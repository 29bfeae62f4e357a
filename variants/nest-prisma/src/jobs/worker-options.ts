import type { WorkerOptions } from 'bullmq';

/**
 * Of every worker. One that dies has its jobs run again after about `lockDuration`; jobs may be run again safely, so they
 * are given up only when they seem to be what kills workers.
 */
export const WORKER_OPTIONS = {
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 20,
} satisfies Partial<WorkerOptions>;
