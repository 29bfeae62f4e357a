import { z } from 'zod';
import { time } from '@/lib/api/schemas';
import { pool } from '@/lib/database/pool';
import { integrationTotals } from '@/lib/integrations/metrics';
import { recentActivity } from './recent';

const milliseconds = z.number().min(0);
const share = z.number().min(0).max(1);

/** How this process does: Prometheus at `/metrics` has the same for all processes, and over time. */
export const backendMetrics = z
  .strictObject({
    api: z.strictObject({
      responseTime: z
        .array(milliseconds)
        .describe('Of the last requests, at most 1,000, oldest first. Milliseconds.'),
      averageResponseTime: milliseconds.describe('Of these.'),
      p95ResponseTime: milliseconds.describe('Of these.'),
      errorRate: share.describe('Answers of 5XX in the last minute.'),
      clientErrorRate: share.describe('Answers of 4XX in the last minute.'),
      throughput: z.number().min(0).describe('Requests per second in the last minute.'),
    }),
    database: z.strictObject({
      queryTime: z
        .array(milliseconds)
        .describe('Of the last statements, at most 1,000, oldest first. Milliseconds.'),
      averageQueryTime: milliseconds,
      p95QueryTime: milliseconds,
      connectionPool: z.strictObject({ active: z.int(), idle: z.int(), waiting: z.int() }),
      slowQueries: z
        .array(z.strictObject({ query: z.string(), duration: milliseconds, at: time }))
        .describe('The last 20 that took longer than DATABASE_SLOW_QUERY_MS, newest first.'),
    }),
    integrations: z.record(
      z.string(),
      z.strictObject({
        successRate: share,
        averageLatency: milliseconds,
        errors: z.int(),
      }),
    ),
  })
  .meta({ id: 'BackendMetrics' });

export type BackendMetrics = z.output<typeof backendMetrics>;

/** The metrics of this process, now. */
export function readBackendMetrics(): BackendMetrics {
  const { responseTime, queryTime, slowQueries, errorRate, clientErrorRate, throughput } = recentActivity();
  const { totalCount, idleCount, waitingCount } = pool();
  return {
    api: {
      responseTime,
      averageResponseTime: average(responseTime),
      p95ResponseTime: p95(responseTime),
      errorRate,
      clientErrorRate,
      throughput,
    },
    database: {
      queryTime,
      averageQueryTime: average(queryTime),
      p95QueryTime: p95(queryTime),
      connectionPool: { active: totalCount - idleCount, idle: idleCount, waiting: waitingCount },
      slowQueries,
    },
    integrations: Object.fromEntries(
      [...integrationTotals()].map(([service, { calls, errors, seconds }]) => [
        service,
        { successRate: (calls - errors) / calls, averageLatency: (seconds / calls) * 1_000, errors },
      ]),
    ),
  };
}

const average = (values: readonly number[]) =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const p95 = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? 0;
