import { usage, usagePage, usageQuery } from '@/lib/analytics/usage';
import { page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';

export const GET = handler(
  {
    operationId: 'readUsage',
    summary: 'What the user has used, by period and type of event',
    access: 'analytics:read',
    query: usageQuery,
    answers: { 200: usagePage },
  },
  async ({ caller, query }) => page(await usage(caller.userId, query)),
);
