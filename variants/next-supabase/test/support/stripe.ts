import { startHttpServer } from './http-server';

export interface SeenCall {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly form: URLSearchParams;
  readonly idempotencyKey: string | undefined;
}

export interface FakeSubscription {
  readonly id: string;
  readonly customer: string;
  status: string;
  cancel_at_period_end: boolean;
}

export interface FakeCheckout {
  readonly id: string;
  readonly url: string;
  status: 'open' | 'complete' | 'expired';
  /** Whether Stripe refuses to end it. */
  stays?: boolean;
  /** The subscription that was paid for. */
  subscription?: string;
}

/** A server that speaks the part of Stripe's API that this service uses, and fails on demand. */
export async function startStripe() {
  const calls: SeenCall[] = [];
  const failures: { status: number; headers?: Record<string, string> }[] = [];
  const subscriptions = new Map<string, FakeSubscription>();
  const answers = new Map<string, { body: string; answer: object }>();
  const checkouts = new Map<string, FakeCheckout>();
  const addCheckout = (session: FakeCheckout) =>
    checkouts.set(session.id, checkouts.get(session.id) ?? session);
  let count = 0;

  const server = await startHttpServer((request, response, body) => {
    const path = request.url?.split('?')[0] ?? '';
    const idempotencyKey = request.headers['idempotency-key'] as string | undefined;
    const form = new URLSearchParams(body);
    calls.push({ at: performance.now(), method: request.method ?? '', path, form, idempotencyKey });
    const send = (status: number, answer: object, headers: Record<string, string> = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(answer));
    const failure = failures.shift();
    if (failure) {
      return void send(failure.status, { error: { type: 'api_error', message: 'no' } }, failure.headers);
    }
    if (path.startsWith('/v1/subscriptions/')) {
      const found = subscriptions.get(path.split('/').at(-1) ?? '');
      if (!found) return void send(404, { error: { type: 'invalid_request_error' } });
      return void send(200, present(found));
    }
    const [, , , kind, id = '', action] = path.split('/');
    if (kind === 'sessions' && id !== '') {
      const session = checkouts.get(id);
      if (!session) return void send(404, { error: { type: 'invalid_request_error' } });
      if (action === 'expire' && (session.status !== 'open' || session.stays)) {
        return void send(400, { error: { type: 'invalid_request_error' } });
      }
      if (action === 'expire') session.status = 'expired';
      return void send(200, session);
    }
    const key = `${path} ${idempotencyKey}`;
    const known = answers.get(key) ?? { body, answer: make(path, form, ++count) };
    if (known.body !== body) return void send(400, { error: { type: 'idempotency_error' } });
    answers.set(key, known);
    if (path === '/v1/checkout/sessions') addCheckout(known.answer as FakeCheckout);
    send(200, known.answer);
  });

  return {
    ...server,
    calls,
    /** What the next calls get instead of an answer. */
    fail: (...next: typeof failures) => failures.push(...next),
    subscriptions,
    /** The checkout sessions by their ids. */
    checkouts,
    settings: {
      STRIPE_SECRET_KEY: 'sk_test_canary0123456789',
      STRIPE_WEBHOOK_SECRET: 'whsec_canary0123456789',
      STRIPE_API_BASE: server.url,
      STRIPE_PRICES: 'price_basic,price_pro',
      BILLING_RETURN_URL: 'https://app.example.com/billing',
    },
  };
}

function make(path: string, form: URLSearchParams, number: number): object {
  if (path === '/v1/customers') return { id: `cus_${number}_${Date.now()}`, object: 'customer' };
  const url = `https://stripe.example.com${path}/${number}?customer=${form.get('customer')}`;
  const created = Math.floor(Date.now() / 1_000);
  return { id: `s_${number}`, object: path.slice('/v1/'.length), url, created, status: 'open' };
}

const present = (subscription: FakeSubscription) => ({
  ...subscription,
  object: 'subscription',
  created: 1_780_000_000,
  items: {
    object: 'list',
    data: [
      {
        id: 'si_1',
        object: 'subscription_item',
        price: { id: 'price_basic' },
        current_period_end: 1_790_000_000,
      },
    ],
  },
});
