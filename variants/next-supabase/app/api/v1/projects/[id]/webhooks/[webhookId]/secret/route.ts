import { created } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { recordSecurityEvent } from '@/lib/security/security-events';
import { replaceSecret, webhookParams, webhookWithSecret } from '@/lib/webhooks/endpoints';

export const POST = handler(
  {
    operationId: 'replaceWebhookSecret',
    summary: 'Makes a new secret for a webhook, in the place of the old one; it is shown this once',
    access: 'session',
    params: webhookParams,
    answers: { 201: data(webhookWithSecret) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN', 'WEBHOOK_NOT_FOUND'],
  },
  async ({ request, caller, params: { id, webhookId } }) => {
    const webhook = await replaceSecret(caller.userId, id, webhookId);
    recordSecurityEvent('webhook.secret_replaced', request, {
      userId: caller.userId,
      metadata: { webhookId },
    });
    return created(webhook, `/api/v1/projects/${id}/webhooks/${webhookId}`);
  },
);
