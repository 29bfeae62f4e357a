import { ok } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { currentSubscription, subscription } from '@/lib/billing/billing';

export const GET = handler(
  {
    operationId: 'getSubscription',
    summary: "The user's newest subscription, or null",
    access: 'session',
    answers: { 200: data(subscription.nullable()) },
  },
  async ({ caller }) => ok(await currentSubscription(caller.userId)),
);
