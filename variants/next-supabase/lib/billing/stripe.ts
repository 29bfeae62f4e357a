import Stripe from 'stripe';
import { config } from '@/lib/config/config';
import { DomainError } from '@/lib/errors/domain-error';
import { callIntegration } from '@/lib/integrations/calls';
import { processWide } from '@/lib/process-wide';

/** Stripe's client. @throws DomainError BILLING_NOT_CONFIGURED */
export function stripe(): Stripe {
  const { STRIPE_SECRET_KEY, STRIPE_API_BASE, STRIPE_TIMEOUT_MS } = config();
  if (STRIPE_SECRET_KEY === undefined) throw notConfigured();
  return processWide('stripe', () => {
    const base = new URL(STRIPE_API_BASE ?? 'https://api.stripe.com');
    return new Stripe(STRIPE_SECRET_KEY, {
      host: base.hostname,
      ...(base.port !== '' && { port: base.port }),
      protocol: base.protocol === 'http:' ? 'http' : 'https',
      timeout: STRIPE_TIMEOUT_MS,
      maxNetworkRetries: 0, // lib/integrations/calls.ts does that
      telemetry: false,
    });
  });
}

export const notConfigured = () =>
  new DomainError('Billing is not set up in this service.', 'BILLING_NOT_CONFIGURED');

/**
 * Sends a request to Stripe.
 *
 * @param send where it makes something, with an idempotency key that is the same in each attempt
 * @throws UpstreamError
 */
export const callStripe = <Result>(operation: string, send: (client: Stripe) => Promise<Result>) =>
  callIntegration({ service: 'Stripe', operation }, () => send(stripe()));
