import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { backendMetrics, readBackendMetrics } from '@/lib/telemetry/backend-metrics';

export const GET = handler(
  {
    operationId: 'readMetrics',
    summary: 'How the process that answers does',
    access: 'admin',
    answers: { 200: data(backendMetrics) },
  },
  async () => ok(readBackendMetrics()),
);
