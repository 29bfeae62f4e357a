import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { time } from '@/lib/api/schemas';
import { config } from '@/lib/config/config';
import { pool } from '@/lib/database/pool';
import { asUser } from '@/lib/database/transaction';
import type { Tables } from '@/lib/database.types';
import { DomainError, ValidationError } from '@/lib/errors/domain-error';
import { UpstreamError } from '@/lib/integrations/upstream-error';
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
 * Begins a subscription: a page of Stripe's on which the user pays. It ends the page before, so that of several requests,
 * also at the same time, only one can be paid.
 *
 * @param idempotencyKey the client's; a repetition is answered with the same page, while it is open
 * @throws ValidationError where the price is not one of STRIPE_PRICES
 * @throws DomainError SUBSCRIPTION_ACTIVE, CHECKOUT_ENDED, IDEMPOTENCY_KEY_REUSED
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
  await assertNoSubscription(userId);
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
  await assertOnlyCheckout(userId, session.id);
  // Paid on another page while this one was made.
  await assertNoSubscription(userId).catch(async (error: unknown) => {
    await endCheckout(userId, session.id);
    throw error;
  });
  if (!session.url) throw new Error(`the checkout session ${session.id} has no page`);
  return { url: session.url };
}

/**
 * Makes a checkout session the only one on which the user can pay, by ending all others.
 *
 * @throws DomainError SUBSCRIPTION_ACTIVE where one of them, or this one, was paid on; CHECKOUT_ENDED where this one has ended
 */
async function assertOnlyCheckout(userId: string, session: string): Promise<void> {
  const { rows } = await pool().query<{ known: boolean; ended: boolean; others: string[] }>(
    'SELECT known, ended, others FROM private.add_checkout($1, $2)',
    [userId, session],
  );
  const [{ known, ended, others } = { known: true, ended: true, others: [] }] = rows;
  if (ended) throw checkoutEnded();
  if (known) {
    const { status, subscription } = await retrieveCheckout(session);
    const isPaid = status === 'complete' && !(await knowsSubscription(userId, subscription));
    if (isPaid) throw subscriptionActive();
    if (status !== 'open') throw checkoutEnded();
  }
  for (const other of others) {
    if ((await endCheckout(userId, other)) === 'ended') continue;
    await endCheckout(userId, session);
    throw subscriptionActive();
  }
}

const checkoutEnded = () =>
  new DomainError(
    'The checkout page of this Idempotency-Key has ended. Send the request with a new key.',
    'CHECKOUT_ENDED',
  );

const subscriptionActive = () =>
  new DomainError('You have a subscription. Change it in the billing portal.', 'SUBSCRIPTION_ACTIVE');

/** As Stripe last told of it. @throws DomainError SUBSCRIPTION_ACTIVE */
async function assertNoSubscription(userId: string): Promise<void> {
  const { rows } = await pool().query<{ found: boolean }>('SELECT private.has_subscription($1) AS found', [
    userId,
  ]);
  if (rows[0]?.found) throw subscriptionActive();
}

/**
 * Ends a checkout session, so that its page can no longer be paid on.
 *
 * @returns `paid` where it was, and Stripe's event is still on its way: it is asked about again with the next checkout
 * @throws UpstreamError
 */
async function endCheckout(userId: string, id: string): Promise<'ended' | 'paid'> {
  try {
    await callStripe('checkout.sessions.expire', (client) => client.checkout.sessions.expire(id));
  } catch (error) {
    // Stripe refuses to end one that is no longer open, and forgets those of test mode.
    if (!(error instanceof UpstreamError) || error.reason !== 'REFUSED') throw error;
    const { status, subscription } = await retrieveCheckout(id);
    if (status === 'open') throw error;
    if (status === 'complete' && !(await knowsSubscription(userId, subscription))) return 'paid';
  }
  await pool().query('SELECT private.end_checkout($1)', [id]);
  return 'ended';
}

async function retrieveCheckout(id: string): Promise<{ status: string | null; subscription?: string }> {
  try {
    const { status, subscription } = await callStripe('checkout.sessions.retrieve', (client) =>
      client.checkout.sessions.retrieve(id),
    );
    return { status, subscription: typeof subscription === 'string' ? subscription : subscription?.id };
  } catch (error) {
    if (error instanceof UpstreamError && error.status === 404) return { status: 'expired' };
    throw error;
  }
}

/** Whether Stripe has told of a subscription: from then on its status is what counts. */
async function knowsSubscription(userId: string, subscription: string | undefined): Promise<boolean> {
  const { rows } = await pool().query<{ known: boolean }>(
    'SELECT private.knows_subscription($1, $2) AS known',
    [userId, subscription ?? null],
  );
  return rows[0]?.known === true;
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
    const result = await tx.query<Omit<Tables<'subscriptions'>, 'user_id' | 'created_at' | 'fetched_at'>>(
      `SELECT id, status, price_id, cancel_at_period_end, current_period_end FROM subscriptions
       WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1`,
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
