import { created } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { replaceSecret, webhookParams, webhookWithSecret } from '@/lib/webhooks/endpoints';

export const POST = handler(
  {
    operationId: 'replaceWebhookSecret',
    summary: 'Makes a new secret for a webhook, in the place of the old one; it is shown this once',
    access: 'projects:write',
    params: webhookParams,
    answers: { 201: data(webhookWithSecret) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN', 'WEBHOOK_NOT_FOUND'],
  },
  async ({ caller, params }) =>
    created(
      await replaceSecret(caller.userId, params.id, params.webhookId),
      `/api/v1/projects/${params.id}/webhooks/${params.webhookId}`,
    ),
);
