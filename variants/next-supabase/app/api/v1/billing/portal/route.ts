import { created } from '@/lib/api/answer';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { hostedPage, openPortal } from '@/lib/billing/billing';
import { STRIPE_PROBLEMS } from '@/lib/billing/problems';

export const POST = handler(
  {
    operationId: 'openBillingPortal',
    summary: 'A page on which the user changes or ends subscriptions',
    access: 'session',
    asksOthers: true,
    answers: { 201: data(hostedPage) },
    problems: [...STRIPE_PROBLEMS, 'BILLING_CUSTOMER_NOT_FOUND'],
  },
  async ({ caller }) => {
    const page = await openPortal(caller.userId);
    return created(page, page.url);
  },
);
