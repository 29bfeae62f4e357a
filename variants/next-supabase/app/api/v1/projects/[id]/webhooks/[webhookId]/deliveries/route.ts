import { page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { pageOf, pageQuery } from '@/lib/api/schemas';
import { delivery, listDeliveries } from '@/lib/webhooks/deliveries';
import { webhookParams } from '@/lib/webhooks/endpoints';

export const GET = handler(
  {
    operationId: 'listWebhookDeliveries',
    summary: "What became of a webhook's messages, newest first",
    access: 'projects:read',
    params: webhookParams,
    query: pageQuery,
    answers: { 200: pageOf(delivery) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN', 'WEBHOOK_NOT_FOUND'],
  },
  async ({ caller, params, query }) =>
    page(await listDeliveries(caller.userId, params.id, params.webhookId, query)),
);
