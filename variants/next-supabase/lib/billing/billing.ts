import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { time } from '@/lib/api/schemas';
import { config } from '@/lib/config/config';
import { pool } from '@/lib/database/pool';
import { asUser } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import { DomainError, ValidationError } from '@/lib/errors/domain-error';
import { callStripe } from './stripe';

export const checkoutInput = z.strictObject({ priceId: z.string().min(1).max(255) });

/** A page of Stripe's to send the user to. */
export const hostedPage = z.strictObject({ url: z.url() }).meta({ id: 'HostedPage' });

export const subscription = z
  .strictObject({
    id: z.string(),
    /** Stripe's: `active`, `trialing`, `past_due`, `canceled`, ... */
    status: z.string(),
    priceId: z.string(),
    cancelAtPeriodEnd: z.boolean(),
    currentPeriodEnd: time,
  })
  .meta({ id: 'Subscription' });

export type Subscription = Readonly<z.output<typeof subscription>>;

/**
 * Begins a subscription: a page of Stripe's on which the user pays.
 *
 * @param idempotencyKey the client's; a repetition is answered with the same page
 * @throws ValidationError where the price is not one of STRIPE_PRICES
 * @throws DomainError IDEMPOTENCY_KEY_REUSED
 * @throws UpstreamError
 */
export async function startCheckout(
  userId: string,
  { priceId }: z.output<typeof checkoutInput>,
  idempotencyKey: string = randomUUID(),
): Promise<{ url: string }> {
  const { STRIPE_PRICES, BILLING_RETURN_URL } = config();
  if (!STRIPE_PRICES.includes(priceId)) {
    throw new ValidationError([{ pointer: '/priceId', message: 'is none that can be subscribed to here' }]);
  }
  const customer = await customerOf(userId);
  const session = await callStripe('checkout.sessions.create', (client) =>
    client.checkout.sessions
      .create(
        {
          mode: 'subscription',
          customer,
          client_reference_id: userId,
          line_items: [{ price: priceId, quantity: 1 }],
          success_url: `${BILLING_RETURN_URL}?checkout=success`,
          cancel_url: `${BILLING_RETURN_URL}?checkout=cancelled`,
        },
        { idempotencyKey: `checkout:${userId}:${idempotencyKey}` },
      )
      .catch(throwIfReused),
  );
  if (!session.url) throw new Error(`the checkout session ${session.id} has no page`);
  return { url: session.url };
}

/** Stripe remembers for a day what came with a key. */
function throwIfReused(error: unknown): never {
  if ((error as { type?: unknown }).type !== 'StripeIdempotencyError') throw error;
  const words = 'This Idempotency-Key was used for another request. Use a new key.';
  throw new DomainError(words, 'IDEMPOTENCY_KEY_REUSED');
}

/**
 * A page of Stripe's on which the user changes or ends subscriptions, and finds invoices.
 *
 * @throws DomainError BILLING_CUSTOMER_NOT_FOUND where nothing was ever subscribed to
 * @throws UpstreamError
 */
export async function openPortal(userId: string): Promise<{ url: string }> {
  const customer = await knownCustomer(userId);
  if (customer === undefined) {
    throw new DomainError('You have not subscribed to anything yet.', 'BILLING_CUSTOMER_NOT_FOUND');
  }
  const { url } = await callStripe('billingPortal.sessions.create', (client) =>
    client.billingPortal.sessions.create({ customer, return_url: config().BILLING_RETURN_URL }),
  );
  return { url };
}

/** The user's newest subscription, as Stripe last told of it. */
export async function currentSubscription(userId: string): Promise<Subscription | null> {
  const rows = await asUser(userId, async (tx) => {
    const result = await tx.query<Tables<'subscriptions'>>(
      'SELECT * FROM subscriptions WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1',
      [userId],
    );
    return result.rows;
  });
  const [row] = rows;
  if (row === undefined) return null;
  return {
    id: row.id,
    status: row.status,
    priceId: row.price_id,
    cancelAtPeriodEnd: row.cancel_at_period_end,
    currentPeriodEnd: row.current_period_end,
  };
}

/** The user's customer at Stripe, made where there is none: once, by Stripe's idempotency key, however many ask. */
async function customerOf(userId: string): Promise<string> {
  const known = await knownCustomer(userId);
  if (known !== undefined) return known;
  const { id } = await callStripe('customers.create', (client) =>
    client.customers.create({ metadata: { userId } }, { idempotencyKey: `customer:${userId}` }),
  );
  await pool().query(
    'INSERT INTO public.billing_customers (user_id, customer_id) VALUES ($1, $2) ON CONFLICT DO NOTHING',
    [userId, id],
  );
  return (await knownCustomer(userId)) ?? id;
}

async function knownCustomer(userId: string): Promise<string | undefined> {
  return asUser(userId, async (tx) => {
    const { rows } = await tx.query<{ customer_id: string }>(
      'SELECT customer_id FROM billing_customers WHERE user_id = $1',
      [userId],
    );
    return rows[0]?.customer_id;
  });
}
