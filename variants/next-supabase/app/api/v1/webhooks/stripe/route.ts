import { z } from 'zod';
import { ok } from '@/lib/api/answer';
import { rawBody } from '@/lib/api/body';
import { handler } from '@/lib/api/handler';
import { data } from '@/lib/api/schemas';
import { STRIPE_PROBLEMS } from '@/lib/billing/problems';
import { applyEvent, readEvent } from '@/lib/billing/stripe-events';
import { recordSecurityEvent } from '@/lib/security/security-events';

function readSigned(request: Request, body: Uint8Array) {
  try {
    return readEvent(body, request.headers.get('stripe-signature'));
  } catch (error) {
    recordSecurityEvent('stripe.signature_invalid', request);
    throw error;
  }
}

/** Called by Stripe. Whatever is not 2xx is sent again, for days. */
export const POST = handler(
  {
    operationId: 'receiveStripeEvent',
    summary: 'Takes an event of Stripe',
    access: 'public',
    asksOthers: true,
    headers: [
      {
        name: 'Stripe-Signature',
        required: true,
        description: 'Time and signature of the body',
        problems: ['SIGNATURE_INVALID'],
        schema: z.string(),
      },
    ],
    body: rawBody,
    answers: { 200: data(z.strictObject({ received: z.literal(true) })) },
    problems: STRIPE_PROBLEMS,
  },
  async ({ request, body }) => {
    await applyEvent(readSigned(request, body));
    return ok({ received: true });
  },
);
