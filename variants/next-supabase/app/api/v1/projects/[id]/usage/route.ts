import { z } from 'zod';
import { recordedUsage, recordUsage, usageInput } from '@/lib/analytics/record-usage';
import { handler } from '@/lib/api/handler';
import { IDEMPOTENCY_KEY } from '@/lib/api/operation';
import { data, id } from '@/lib/api/schemas';
import { once } from '@/lib/idempotency/replay';

const params = z.strictObject({ id });

export const POST = handler(
  {
    operationId: 'recordUsage',
    summary: 'Records that something happened in a project; /analytics/usage counts it',
    access: 'projects:write',
    params,
    headers: [IDEMPOTENCY_KEY],
    body: usageInput,
    answers: { 201: data(recordedUsage) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN'],
  },
  async ({ request, caller, params, body }) =>
    once(caller.userId, request, body, async (tx) => ({
      status: 201,
      body: { data: await recordUsage(tx, caller.userId, params.id, body) },
    })),
);
