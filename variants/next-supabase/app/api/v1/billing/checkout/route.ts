import { created } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { IDEMPOTENCY_KEY } from '@/lib/api/operation';
import { data } from '@/lib/api/schemas';
import { checkoutInput, hostedPage, startCheckout } from '@/lib/billing/billing';
import { STRIPE_PROBLEMS } from '@/lib/billing/problems';
import { readIdempotencyKey } from '@/lib/idempotency/idempotency-key';

export const POST = handler(
  {
    operationId: 'startCheckout',
    summary: 'Begins a subscription: a page on which the user pays',
    access: 'session',
    asksOthers: true,
    headers: [IDEMPOTENCY_KEY],
    body: checkoutInput,
    answers: { 201: data(hostedPage) },
    problems: [...STRIPE_PROBLEMS, 'SUBSCRIPTION_ACTIVE', 'CHECKOUT_ENDED'],
  },
  async ({ request, caller, body }) => {
    const key = readIdempotencyKey(request.headers.get('idempotency-key') ?? undefined);
    const page = await startCheckout(caller.userId, body, key);
    return created(page, page.url);
  },
);
