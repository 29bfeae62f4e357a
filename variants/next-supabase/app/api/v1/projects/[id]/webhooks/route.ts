import { z } from 'zod';
import { created, page } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data, id, pageOf, pageQuery } from '@/lib/api/schemas';
import { recordSecurityEvent } from '@/lib/security/security-events';
import {
  createWebhook,
  listWebhooks,
  webhook,
  webhookInput,
  webhookWithSecret,
} from '@/lib/webhooks/endpoints';

const params = z.strictObject({ id });

export const GET = handler(
  {
    operationId: 'listWebhooks',
    summary: 'The webhooks of a project, newest first',
    access: 'projects:read',
    params,
    query: pageQuery,
    answers: { 200: pageOf(webhook) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN'],
  },
  async ({ caller, params, query }) => page(await listWebhooks(caller.userId, params.id, query)),
);

export const POST = handler(
  {
    operationId: 'createWebhook',
    summary: 'Adds a webhook. The secret that signs its messages is shown this once',
    access: 'session',
    params,
    body: webhookInput,
    answers: { 201: data(webhookWithSecret) },
    problems: ['PROJECT_NOT_FOUND', 'FORBIDDEN', 'WEBHOOK_URL_NOT_ALLOWED', 'TOO_MANY_WEBHOOKS'],
  },
  async ({ request, caller, params, body }) => {
    const made = await createWebhook(caller.userId, params.id, body);
    recordSecurityEvent('webhook.created', request, {
      userId: caller.userId,
      metadata: { webhookId: made.id },
    });
    return created(made, `/api/v1/projects/${params.id}/webhooks/${made.id}`);
  },
);
