import { noContent, ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { recordSecurityEvent } from '@/lib/security/security-events';
import {
  deleteWebhook,
  getWebhook,
  updateWebhook,
  webhook,
  webhookChanges,
  webhookParams,
} from '@/lib/webhooks/endpoints';

const problems = ['PROJECT_NOT_FOUND', 'FORBIDDEN', 'WEBHOOK_NOT_FOUND'];

export const GET = handler(
  {
    operationId: 'getWebhook',
    summary: 'A webhook',
    access: 'projects:read',
    params: webhookParams,
    answers: { 200: data(webhook) },
    problems,
  },
  async ({ caller, params }) => ok(await getWebhook(caller.userId, params.id, params.webhookId)),
);

export const PATCH = handler(
  {
    operationId: 'updateWebhook',
    summary: 'Changes a webhook; what is left out stays as it is',
    access: 'session',
    params: webhookParams,
    body: webhookChanges,
    answers: { 200: data(webhook) },
    problems: [...problems, 'WEBHOOK_URL_NOT_ALLOWED'],
  },
  async ({ request, caller, params, body }) => {
    const changed = await updateWebhook(caller.userId, params.id, params.webhookId, body);
    recordSecurityEvent('webhook.changed', request, {
      userId: caller.userId,
      metadata: { webhookId: params.webhookId },
    });
    return ok(changed);
  },
);

export const DELETE = handler(
  {
    operationId: 'deleteWebhook',
    summary: 'Removes a webhook, and what was still to be delivered to it',
    access: 'session',
    params: webhookParams,
    answers: { 204: null },
    problems,
  },
  async ({ request, caller, params }) => {
    await deleteWebhook(caller.userId, params.id, params.webhookId);
    recordSecurityEvent('webhook.deleted', request, {
      userId: caller.userId,
      metadata: { webhookId: params.webhookId },
    });
    return noContent();
  },
);
