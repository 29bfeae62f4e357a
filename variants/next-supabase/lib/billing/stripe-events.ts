import Stripe from 'stripe';
import { config } from '@/lib/config/config';
import { pool } from '@/lib/database/pool';
import { asService, type Transaction } from '@/lib/database/transaction';
import { DomainError } from '@/lib/errors/domain-error';
import { log } from '@/lib/log';
import { callStripe, notConfigured } from './stripe';

/** Seconds: an event that was signed longer ago may be a replay. */
const REPLAY_WINDOW = 300;

/**
 * Reads an event from a body as it was sent: what was parsed and written again has another signature.
 *
 * @throws DomainError BILLING_NOT_CONFIGURED, SIGNATURE_INVALID
 */
export function readEvent(body: Uint8Array, signature: string | null): Stripe.Event {
  const { STRIPE_WEBHOOK_SECRET } = config();
  if (STRIPE_WEBHOOK_SECRET === undefined) throw notConfigured();
  try {
    return Stripe.webhooks.constructEvent(
      Buffer.from(body),
      signature ?? '',
      STRIPE_WEBHOOK_SECRET,
      REPLAY_WINDOW,
    );
  } catch {
    throw new DomainError(
      `Stripe-Signature is not this body's, or is older than ${REPLAY_WINDOW} s.`,
      'SIGNATURE_INVALID',
    );
  }
}

/**
 * Gives an event its effect, once: its id is stored in the same transaction. Events come in any order, so what they say
 * of a subscription is not believed; Stripe is asked what it is now.
 *
 * @throws UpstreamError; Stripe sends the event again
 */
export async function applyEvent(event: Stripe.Event): Promise<void> {
  // A look ahead, which spares a question to Stripe; what counts is the primary key.
  const { rows } = await pool().query<{ known: boolean; now: string }>(
    'SELECT EXISTS (SELECT FROM private.stripe_events WHERE id = $1) AS known, clock_timestamp()::text AS now',
    [event.id],
  );
  if (rows[0]?.known !== false) return;
  const effect = await effectOf(event, rows[0].now);
  await asService(async (tx) => {
    const { rowCount } = await tx.query(
      'INSERT INTO private.stripe_events (id, type) VALUES ($1, $2) ON CONFLICT DO NOTHING',
      [event.id, event.type],
    );
    if (rowCount === 1) await effect?.(tx);
  });
}

type Effect = (tx: Transaction) => Promise<void>;

async function effectOf(event: Stripe.Event, askedAt: string): Promise<Effect | undefined> {
  switch (event.type) {
    case 'customer.subscription.created':
    case 'customer.subscription.updated':
    case 'customer.subscription.deleted':
    case 'customer.subscription.paused':
    case 'customer.subscription.resumed': {
      const { id } = event.data.object;
      const current = await callStripe('subscriptions.retrieve', (client) =>
        client.subscriptions.retrieve(id),
      );
      return (tx) => store(tx, current, askedAt);
    }
    case 'invoice.paid': {
      const { id, customer, amount_paid, currency } = event.data.object;
      return (tx) => recordPayment(tx, idOf(customer), { invoice: id, amount: amount_paid, currency });
    }
    default:
      return undefined;
  }
}

async function store(tx: Transaction, current: Stripe.Subscription, askedAt: string): Promise<void> {
  const userId = await userOf(tx, idOf(current.customer));
  const [item] = current.items.data;
  if (userId === undefined || item === undefined) return;
  await tx.query(
    `SELECT private.store_subscription(
       ROW($1, $2, $3, $4, $5, to_timestamp($6), to_timestamp($7), $8)::public.subscriptions
     )`,
    [
      current.id,
      userId,
      current.status,
      item.price.id,
      current.cancel_at_period_end,
      item.current_period_end,
      current.created,
      askedAt,
    ],
  );
}

async function recordPayment(tx: Transaction, customer: string | undefined, about: object): Promise<void> {
  const userId = await userOf(tx, customer);
  if (userId === undefined) return;
  await tx.query(
    `INSERT INTO public.usage_metrics (user_id, event_type, metadata) VALUES ($1, 'billing.invoice_paid', $2)`,
    [userId, about],
  );
}

/** By what this service has stored, and not by what an event says. */
async function userOf(tx: Transaction, customer: string | undefined): Promise<string | undefined> {
  const { rows } = await tx.query<{ id: string | null }>('SELECT private.user_of_customer($1) AS id', [
    customer,
  ]);
  const id = rows[0]?.id ?? undefined;
  if (id === undefined) log().warn({ customer }, 'an event of Stripe is about a customer of nobody here');
  return id;
}

/** Stripe names things by their ids, or shows all of them where that was asked for. */
const idOf = (thing: string | { readonly id: string } | null): string | undefined =>
  typeof thing === 'string' ? thing : thing?.id;
