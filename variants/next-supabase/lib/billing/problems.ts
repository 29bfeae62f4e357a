/** What every route that asks Stripe may be answered with. */
export const STRIPE_PROBLEMS = [
  'BILLING_NOT_CONFIGURED',
  'INTEGRATION_UNAVAILABLE',
  'INTEGRATION_RATE_LIMITED',
  'INTEGRATION_TIMEOUT',
  'INTEGRATION_REFUSED',
];
