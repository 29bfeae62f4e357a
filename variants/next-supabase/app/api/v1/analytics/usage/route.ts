import { usage, usageQuery } from '@/lib/analytics/usage';
import { page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';

export const GET = handler({ access: 'analytics:read', query: usageQuery }, async ({ caller, query }) =>
  page(await usage(caller.userId, query)),
);
