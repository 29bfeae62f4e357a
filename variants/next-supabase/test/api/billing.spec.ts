import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import Stripe from 'stripe';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, call, newUser, type TestUser } from '../support/api';
import { as, connectOwner, connectService } from '../support/database';
import { type Service, startService } from '../support/service';
import { type FakeCheckout, startStripe } from '../support/stripe';

let stripe: Awaited<ReturnType<typeof startStripe>>;
let service: Service;
let owner: pg.Pool;
let user: TestUser;
let customer: string;

const send = (method: string, path: string, body?: object, headers?: Record<string, string>) =>
  call(method, `/api/v1/billing/${path}`, { token: user.token, body, headers }, service.url);
const checkout = (headers?: Record<string, string>) =>
  send('POST', 'checkout', { priceId: 'price_basic' }, headers);
/** The checkout session of a response. */
function pageOf({ body }: Answer): FakeCheckout {
  const found = [...stripe.checkouts.values()].find(({ url }) => url === body.data.url);
  if (found === undefined) throw new Error(`${body.data.url} is none of Stripe's pages`);
  return found;
}
const subscribe = (status: string, id: string = randomUUID()) =>
  owner.query(
    `INSERT INTO subscriptions (id, user_id, status, price_id, cancel_at_period_end, current_period_end, created_at, fetched_at)
     VALUES ($1, $2, $3, 'price_basic', false, now(), now(), now())`,
    [id, user.id, status],
  );
const subscription = async () => (await send('GET', 'subscription')).body.data;

beforeAll(async () => {
  stripe = await startStripe();
  owner = connectOwner();
  service = await startService({ ...stripe.settings, RATE_LIMIT_MAX: '1000000' });
  return async () => {
    await service.stop();
    await stripe.stop();
    await owner.end();
  };
});

beforeEach(async () => {
  user = await newUser();
  expect((await checkout()).status).toBe(201);
  const { rows } = await owner.query('SELECT customer_id FROM billing_customers WHERE user_id = $1', [
    user.id,
  ]);
  customer = rows[0].customer_id;
  stripe.calls.length = 0;
});

describe('billing', () => {
  it('begins a subscription on a page of Stripe, for one customer per user', async () => {
    const { status, body, headers } = await checkout();
    expect(status).toBe(201);
    expect(body.data.url).toContain(`customer=${customer}`);
    expect(headers.get('location')).toBe(body.data.url);
    expect(stripe.calls[0]?.path).toBe('/v1/checkout/sessions');
    const { form } = stripe.calls[0] as (typeof stripe.calls)[number];
    expect(form.get('line_items[0][price]')).toBe('price_basic');
    expect(form.get('success_url')).toBe('https://app.example.com/billing?checkout=success');
  });

  it('makes one customer, however many ask at once', async () => {
    user = await newUser();
    const answers = await Promise.all(Array.from({ length: 10 }, () => checkout()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => new URL(body.data.url).searchParams.get('customer'))).size).toBe(
      1,
    );
  });

  it('answers a repetition with the same page', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const [one, two] = [await checkout(key), await checkout(key)];
    expect(two.body.data.url).toBe(one.body.data.url);
    expect((await checkout()).body.data.url).not.toBe(one.body.data.url);
    expect(await send('POST', 'checkout', { priceId: 'price_pro' }, key)).toMatchObject({
      status: 422,
      body: { code: 'IDEMPOTENCY_KEY_REUSED' },
    });
  });

  it('ends the page before, so that one checkout can be paid', async () => {
    user = await newUser();
    const answers = await Promise.all(Array.from({ length: 6 }, () => checkout()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const urls = new Set(answers.map(({ body }) => body.data.url));
    const open = [...stripe.checkouts.values()].filter(
      ({ status, url }) => status === 'open' && urls.has(url),
    );
    expect(open).toHaveLength(1);
  });

  it.each(['active', 'trialing', 'past_due', 'unpaid', 'paused'])(
    'begins no second subscription while one is %s',
    async (status) => {
      await subscribe(status);
      const answers = await Promise.all(Array.from({ length: 4 }, () => checkout()));
      expect(new Set(answers.map((answer) => answer.body.code))).toEqual(new Set(['SUBSCRIPTION_ACTIVE']));
      expect(answers[0]?.status).toBe(409);
      expect(stripe.calls).toEqual([]);
    },
  );

  it('begins another subscription after one has ended', async () => {
    await subscribe('canceled');
    expect((await checkout()).status).toBe(201);
  });

  it('begins no second subscription while the event of the first is on its way', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const first = await checkout(key);
    const paid = pageOf(first);
    paid.status = 'complete';
    for (const headers of [{}, {}, key]) {
      expect(await checkout(headers)).toMatchObject({ status: 409, body: { code: 'SUBSCRIPTION_ACTIVE' } });
    }
    const open = [...stripe.checkouts.values()].filter(
      ({ status, url }) => status === 'open' && url.includes(customer),
    );
    expect(open).toEqual([]);

    paid.subscription = `sub_${randomUUID()}`;
    await subscribe('canceled', paid.subscription);
    expect((await checkout()).status).toBe(201);
    expect(await checkout(key)).toMatchObject({ status: 409, body: { code: 'CHECKOUT_ENDED' } });
  });

  it('begins no second checkout while Stripe ends the first page not', async () => {
    const page = pageOf(await checkout());
    page.stays = true;
    expect(await checkout()).toMatchObject({ status: 502, body: { code: 'INTEGRATION_REFUSED' } });
    page.stays = false;
    expect((await checkout()).status).toBe(201);
    expect(page.status).toBe('expired');
  });

  it('answers a repetition with no page that has ended', async () => {
    const [one, two] = [{ 'idempotency-key': randomUUID() }, { 'idempotency-key': randomUUID() }];
    await checkout(one);
    const page = pageOf(await checkout(two));
    expect(await checkout(one)).toMatchObject({ status: 409, body: { code: 'CHECKOUT_ENDED' } });
    expect(page.status).toBe('open');
    expect((await checkout(two)).body.data.url).toBe(page.url);
    page.status = 'expired';
    expect(await checkout(two)).toMatchObject({ status: 409, body: { code: 'CHECKOUT_ENDED' } });
  });

  it('sells no price that is not offered', async () => {
    const { status, body } = await send('POST', 'checkout', { priceId: 'price_employees' });
    expect(status).toBe(400);
    expect(body.errors[0].pointer).toBe('/priceId');
    expect(stripe.calls).toEqual([]);
  });

  it('has a portal for those who are customers', async () => {
    expect((await send('POST', 'portal')).body.data.url).toContain(`customer=${customer}`);
    user = await newUser();
    expect(await send('POST', 'portal')).toMatchObject({
      status: 404,
      body: { code: 'BILLING_CUSTOMER_NOT_FOUND' },
    });
  });

  it('asks Stripe again when Stripe says so, with the same idempotency key', async () => {
    stripe.fail({ status: 429, headers: { 'retry-after': '1' } }, { status: 503 });
    expect((await checkout()).status).toBe(201);
    const [one, two, three] = stripe.calls as [(typeof stripe.calls)[number], ...typeof stripe.calls];
    expect((two?.at ?? 0) - one.at).toBeGreaterThanOrEqual(1_000);
    expect(new Set([one, two, three].map((seen) => seen?.idempotencyKey)).size).toBe(1);
  });

  it('gives up after a few attempts, and at once where that would not help', async () => {
    stripe.fail({ status: 503 }, { status: 503 }, { status: 503 });
    expect(await checkout()).toMatchObject({ status: 503, body: { code: 'INTEGRATION_UNAVAILABLE' } });
    expect(stripe.calls).toHaveLength(3);
    stripe.fail({ status: 401 });
    expect(await checkout()).toMatchObject({ status: 502, body: { code: 'INTEGRATION_REFUSED' } });
    expect(stripe.calls).toHaveLength(4);
  });

  it('is not there where no key is configured', async () => {
    const bare = await startService();
    const answer = await call(
      'POST',
      '/api/v1/billing/checkout',
      { token: user.token, body: { priceId: 'x' } },
      bare.url,
    );
    expect(answer.status).toBe(400);
    const event = await call('POST', '/api/v1/webhooks/stripe', { body: {} }, bare.url);
    expect(event).toMatchObject({ status: 503, body: { code: 'BILLING_NOT_CONFIGURED' } });
    await bare.stop();
  });
});

/** Sends a body with a signature that Stripe's own library makes. */
async function deliver(
  payload: string,
  { secret = stripe.settings.STRIPE_WEBHOOK_SECRET, secondsAgo = 0, sent = payload } = {},
) {
  const timestamp = Math.floor(Date.now() / 1_000) - secondsAgo;
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
  const response = await fetch(`${service.url}/api/v1/webhooks/stripe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature },
    body: sent,
  });
  return { status: response.status, body: await response.json() };
}

const event = (type: string, object: object, id = `evt_${randomUUID()}`) =>
  JSON.stringify({ id, object: 'event', type, created: 1_780_000_000, data: { object } }, null, 2);

const paid = (id?: string) =>
  event('invoice.paid', { id: 'in_1', object: 'invoice', customer, amount_paid: 900, currency: 'eur' }, id);

async function payments(): Promise<number> {
  const { rowCount } = await owner.query(
    `SELECT FROM usage_metrics WHERE user_id = $1 AND event_type = 'billing.invoice_paid'`,
    [user.id],
  );
  return rowCount ?? 0;
}

describe('an event of Stripe', () => {
  it('is refused with a bad signature, an old one, none, or for a body that was written anew', async () => {
    const refused = { status: 400, body: { code: 'SIGNATURE_INVALID' } };
    expect(await deliver(paid(), { secret: 'whsec_another' })).toMatchObject(refused);
    expect(await deliver(paid(), { secondsAgo: 301 })).toMatchObject(refused);
    const payload = paid();
    expect(await deliver(payload, { sent: JSON.stringify(JSON.parse(payload)) })).toMatchObject(refused);
    const bare = await call('POST', '/api/v1/webhooks/stripe', { body: JSON.parse(payload) }, service.url);
    expect(bare).toMatchObject(refused);
    expect(await payments()).toBe(0);
    expect((await deliver(payload, { secondsAgo: 290 })).status).toBe(200);
    expect(await payments()).toBe(1);
  });

  it('has its effect once, however often and however many at once it is delivered', async () => {
    const payload = paid();
    const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(payload)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await deliver(payload)).status).toBe(200);
    expect(await payments()).toBe(1);
  });

  it('makes a subscription what it is now, in whichever order events come', async () => {
    const id = `sub_${randomUUID()}`;
    const now = { id, customer, status: 'active', cancel_at_period_end: false };
    stripe.subscriptions.set(id, now);
    await deliver(event('customer.subscription.updated', { ...now, object: 'subscription' }));
    expect(await subscription()).toEqual({
      id,
      status: 'active',
      priceId: 'price_basic',
      cancelAtPeriodEnd: false,
      currentPeriodEnd: new Date(1_790_000_000_000).toISOString(),
    });
    // Sent before the update, delivered after it.
    await deliver(
      event('customer.subscription.created', { ...now, object: 'subscription', status: 'incomplete' }),
    );
    expect((await subscription()).status).toBe('active');
    now.status = 'canceled';
    await deliver(event('customer.subscription.deleted', { ...now, object: 'subscription' }));
    await deliver(
      event('customer.subscription.updated', { ...now, object: 'subscription', status: 'active' }),
    );
    expect((await subscription()).status).toBe('canceled');
  });

  it('is not taken for done where Stripe cannot be asked: Stripe sends it again', async () => {
    const id = `sub_${randomUUID()}`;
    const now = { id, customer, status: 'active', cancel_at_period_end: false };
    stripe.subscriptions.set(id, now);
    const payload = event('customer.subscription.created', { ...now, object: 'subscription' });
    stripe.fail({ status: 503 }, { status: 503 }, { status: 503 });
    expect((await deliver(payload)).status).toBe(503);
    expect(await subscription()).toBeNull();
    expect((await deliver(payload)).status).toBe(200);
    expect((await subscription()).status).toBe('active');
  });

  it('about a customer of nobody here, or of a kind that means nothing here, is taken', async () => {
    customer = 'cus_nobody';
    expect((await deliver(paid())).status).toBe(200);
    expect((await deliver(event('charge.dispute.created', { id: 'dp_1', object: 'dispute' }))).status).toBe(
      200,
    );
  });
});

it('a subscription is shown to its user alone', async () => {
  const id = `sub_${randomUUID()}`;
  stripe.subscriptions.set(id, { id, customer, status: 'active', cancel_at_period_end: false });
  await deliver(event('customer.subscription.created', { id, object: 'subscription', customer }));
  expect((await subscription()).id).toBe(id);
  user = await newUser();
  expect(await subscription()).toBeNull();
});

describe('policies of billing', () => {
  it.each(['billing_customers', 'subscriptions'])(
    'nobody writes %s, and others see nothing of it',
    async (table) => {
      const service = connectService();
      const id = `sub_${randomUUID()}`;
      stripe.subscriptions.set(id, { id, customer, status: 'active', cancel_at_period_end: false });
      await deliver(event('customer.subscription.created', { id, object: 'subscription', customer }));
      const stranger = await newUser();
      const count = (userId: string) =>
        as(
          service,
          'authenticated',
          userId,
          async (client) => (await client.query(`SELECT FROM ${table}`)).rowCount,
        );
      expect([await count(user.id), await count(stranger.id)]).toEqual([1, 0]);
      for (const sql of [
        `INSERT INTO ${table} (user_id) VALUES ('${user.id}')`,
        `UPDATE ${table} SET user_id = '${stranger.id}'`,
        `DELETE FROM ${table}`,
        `SELECT private.user_of_customer('${customer}')`,
      ]) {
        const run = as(service, 'authenticated', user.id, (client) => client.query(sql));
        await expect(run).rejects.toThrow('permission denied');
      }
      await expect(service.query(`SELECT FROM public.${table}`)).rejects.toThrow('permission denied');
      await service.end();
    },
  );
});
