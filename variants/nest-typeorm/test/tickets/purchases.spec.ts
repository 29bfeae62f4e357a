import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { PurchaseQueue } from '../../src/tickets/purchase-queue.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { aPurchase, createEvent } from '../support/events.js';
import { type Answer, startService, type TestService } from '../support/service.js';

const NOWHERE = '01990000-0000-7000-8000-00000000000f';

let database: TestDatabase;
/** Two processes of the service, as far as the database can tell; the second without grouping. */
let services: [TestService, TestService];
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  const settings = { DATABASE_LOCK_TIMEOUT_MS: '300', DATABASE_POOL_MAX: '10' };
  services = await Promise.all([
    startService(database, settings),
    startService(database, { ...settings, PURCHASE_GROUP_MAX: '1' }),
  ]);
  [service] = services;
});

afterAll(async () => {
  await Promise.all(services?.map(({ stop }) => stop()) ?? []);
  await database?.drop();
});

function buy(
  eventId: string,
  quantity = 1,
  headers: Record<string, string> = {},
  from = service,
): Promise<Answer> {
  return from.post(`/events/${eventId}/tickets/purchase`, aPurchase(quantity), headers);
}

/** Counts the orders that reach a queue from now on. @returns resolves when it has been so many */
function countArrivals(): (count: number) => Promise<void> {
  const submit = vi.spyOn(PurchaseQueue.prototype, 'submit');
  onTestFinished(() => submit.mockRestore());
  return (count) => expect.poll(() => submit.mock.calls.length, { timeout: 10_000, interval: 5 }).toBe(count);
}

async function rows(sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]> {
  return (await database.owner.query(sql, values)).rows;
}

/** What is stored of an event's sales, as far as all of it must agree. */
async function books(eventId: string) {
  const [row] = await rows(
    `SELECT sold, sold_out AS "soldOut",
            (SELECT count(*)::int FROM tickets WHERE event_id = $1) AS tickets,
            (SELECT coalesce(max(number), 0) FROM tickets WHERE event_id = $1) AS "lastTicket",
            (SELECT coalesce(sum(quantity), 0)::int FROM purchases WHERE event_id = $1) AS purchased
       FROM events WHERE id = $1`,
    eventId,
  );
  return row;
}

describe('a purchase', () => {
  it('answers with the tickets and stores the buyer', async () => {
    const eventId = await createEvent(service, { price: 4_500 });
    const { status, body } = await buy(eventId, 3);
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      eventId,
      quantity: 3,
      ticketNumbers: [1, 2, 3],
      totalPrice: 13_500,
      currency: 'EUR',
      createdAt: expect.stringMatching(/Z$/),
    });
    expect(await rows('SELECT * FROM purchases WHERE id = $1', body.id)).toMatchObject([
      {
        event_id: eventId,
        quantity: 3,
        total_price: 13_500,
        buyer_name: 'Ada Lovelace',
        buyer_email: 'ada@example.com',
      },
    ]);
    expect(await rows('SELECT number FROM tickets WHERE purchase_id = $1 ORDER BY number', body.id)).toEqual([
      { number: 1 },
      { number: 2 },
      { number: 3 },
    ]);
    expect(await books(eventId)).toEqual({
      sold: 3,
      soldOut: false,
      tickets: 3,
      lastTicket: 3,
      purchased: 3,
    });
  });

  it('is refused with what is left, and takes nothing', async () => {
    const eventId = await createEvent(service, { capacity: 2 });
    const tooMany = await buy(eventId, 3);
    expect([tooMany.status, tooMany.body.code, tooMany.body.available]).toEqual([
      409,
      'NOT_ENOUGH_TICKETS',
      2,
    ]);
    expect((await buy(eventId, 2)).status).toBe(201);
    const none = await buy(eventId, 1);
    expect([none.status, none.body.code, none.body.available]).toEqual([409, 'SOLD_OUT', 0]);
    expect(await books(eventId)).toEqual({ sold: 2, soldOut: true, tickets: 2, lastTicket: 2, purchased: 2 });
  });

  it('is refused where there is no such event, and where it has started', async () => {
    const unknown = await buy(NOWHERE);
    expect([unknown.status, unknown.body.code]).toEqual([404, 'EVENT_NOT_FOUND']);
    const started = await buy(await createEvent(service, { startsAt: '2020-01-01T00:00:00Z' }));
    expect([started.status, started.body.code]).toEqual([409, 'EVENT_STARTED']);
  });

  it.each([
    ['/quantity', { quantity: 0 }],
    ['/quantity', { quantity: 11 }],
    ['/quantity', { quantity: '1' }],
    ['/quantity', { quantity: 1.5 }],
    ['/buyer', { buyer: null }],
    ['/buyer', { buyer: [] }],
    ['/buyer/name', { buyer: { name: '', email: 'a@example.com' } }],
    ['/buyer/email', { buyer: { name: 'Ada', email: 'nobody' } }],
    ['/buyer/email', { buyer: { name: 'Ada', email: '\ud800@example.com' } }],
    ['/buyer/role', { buyer: { name: 'Ada', email: 'a@example.com', role: 'admin' } }],
    ['/ticketNumbers', { ticketNumbers: [1] }],
    ['/price', { price: 0 }],
  ])('names %s where %j is not acceptable', async (pointer, changes) => {
    const eventId = await createEvent(service);
    const { status, body } = await service.post(`/events/${eventId}/tickets/purchase`, {
      ...aPurchase(),
      ...changes,
    });
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
    expect((await books(eventId))?.sold).toBe(0);
  });
});

describe('many purchases at once', () => {
  it('sell exactly the capacity under 400 concurrent purchases through two processes', async () => {
    const eventId = await createEvent(service, { capacity: 100 });
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, index) => buy(eventId, 1, {}, services[index % 2 === 0 ? 0 : 1])),
    );
    const sold = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status !== 201);
    // The ungrouped process may time out over the lock; what it may not do is sell too much or too little.
    expect(new Set(refused.map(({ body }) => body.code))).toContain('SOLD_OUT');
    expect(sold).toHaveLength(100);
    const numbers = sold.flatMap(({ body }) => body.ticketNumbers as number[]).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(await books(eventId)).toEqual({
      sold: 100,
      soldOut: true,
      tickets: 100,
      lastTicket: 100,
      purchased: 100,
    });
  });

  it('are all stored when they are answered with 201, whatever their quantities', async () => {
    const eventId = await createEvent(service, { capacity: 150 });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => buy(eventId, 1 + (index % 4))),
    );
    const sold = answers.filter(({ status }) => status === 201).map(({ body }) => body);
    for (const { status, body } of answers) {
      if (status !== 201) expect(['SOLD_OUT', 'NOT_ENOUGH_TICKETS']).toContain(body.code);
    }
    const stored = await rows('SELECT id, quantity FROM purchases WHERE event_id = $1', eventId);
    const byId = (a: { id?: unknown }, b: { id?: unknown }) => String(a.id).localeCompare(String(b.id));
    expect(stored.sort(byId)).toEqual(sold.map(({ id, quantity }) => ({ id, quantity })).sort(byId));
    const tickets = sold.reduce((total, { quantity }) => total + quantity, 0);
    expect(await books(eventId)).toMatchObject({ sold: tickets, tickets, purchased: tickets });
  });

  it('share transactions, of which there are fewer than purchases', async () => {
    const eventId = await createEvent(service, { capacity: 1_000 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => buy(eventId)));
    expect(answers.every(({ status }) => status === 201)).toBe(true);
    expect((await books(eventId))?.sold).toBe(200);
    const transactions = await rows('SELECT DISTINCT xmin::text FROM purchases WHERE event_id = $1', eventId);
    expect(transactions.length).toBeLessThan(100);
  });
});

describe('Idempotency-Key', () => {
  const key = () => ({ 'idempotency-key': crypto.randomUUID() });

  it('answers a repetition like the first, to the byte, and sells nothing more', async () => {
    const eventId = await createEvent(service);
    const headers = key();
    const first = await buy(eventId, 2, headers);
    const second = await buy(eventId, 2, headers, services[1]);
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([201, null]);
    expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    expect(JSON.stringify(second.body)).toBe(JSON.stringify(first.body));
    expect((await books(eventId))?.sold).toBe(2);
  });

  it('has one effect when it is sent 50 times at once through two processes', async () => {
    const eventId = await createEvent(service);
    const headers = key();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => buy(eventId, 1, headers, services[index % 2 === 0 ? 0 : 1])),
    );
    const granted = answers.filter(({ status }) => status === 201);
    expect(granted.length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => ![201, 409, 503].includes(status))).toEqual([]);
    expect(new Set(granted.map(({ body }) => body.id)).size).toBe(1);
    expect(granted.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
    expect(await books(eventId)).toMatchObject({ sold: 1, tickets: 1, purchased: 1 });
  });

  it('is refused with another request: another quantity, another buyer, another event', async () => {
    const eventId = await createEvent(service);
    const other = await createEvent(service);
    const headers = key();
    await buy(eventId, 1, headers);
    const buyer = { name: 'Grace Hopper', email: 'grace@example.com' };
    const attempts = [
      await buy(eventId, 2, headers),
      await buy(other, 1, headers),
      await service.post(`/events/${eventId}/tickets/purchase`, { quantity: 1, buyer }, headers),
    ];
    for (const { status, body } of attempts)
      expect([status, body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect([(await books(eventId))?.sold, (await books(other))?.sold]).toEqual([1, 0]);
  });

  it('is refused for one of two requests for different events at the same time', async () => {
    const events = await Promise.all([createEvent(service), createEvent(service)]);
    const headers = key();
    const blocker = await database.owner.connect();
    const arrivals = countArrivals();
    await blocker.query('BEGIN');
    await blocker.query('LOCK idempotency_keys IN SHARE MODE');
    const both = events.map((eventId) => buy(eventId, 1, headers));
    await arrivals(2);
    await expect
      .poll(() =>
        rows("SELECT 1 FROM pg_locks WHERE relation = 'idempotency_keys'::regclass AND NOT granted"),
      )
      .toHaveLength(2);
    await blocker.query('ROLLBACK');
    blocker.release();
    const answers = await Promise.all(both);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 422]);
  });

  it('is free again after a refusal', async () => {
    const eventId = await createEvent(service, { capacity: 1 });
    const headers = key();
    expect((await buy(eventId, 2, headers)).status).toBe(409);
    expect((await buy(eventId, 1, headers)).status).toBe(201);
  });

  it.each(['two words', 'ü', 'x'.repeat(256)])(
    'must be printable ASCII of 1 to 255 characters, which %j is not',
    async (value) => {
      const eventId = await createEvent(service);
      const header = Buffer.from(value).toString('latin1');
      const { status, body } = await buy(eventId, 1, { 'idempotency-key': header });
      expect([status, body.errors?.[0]?.pointer]).toEqual([400, '/idempotency-key']);
    },
  );
});

describe('contention with other writers', () => {
  it('waits no longer for the row than lock_timeout, then says when to try again', async () => {
    const eventId = await createEvent(service);
    const blocker = await database.owner.connect();
    try {
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM events WHERE id = $1 FOR UPDATE', [eventId]);
      const answers = await Promise.all([buy(eventId), buy(eventId), buy(eventId, 1, {}, services[1])]);
      for (const { status, headers, body } of answers) {
        expect([status, body.code]).toEqual([503, 'LOCK_TIMEOUT']);
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      }
    } finally {
      await blocker.query('ROLLBACK');
      blocker.release();
    }
    expect((await buy(eventId)).status).toBe(201);
    expect((await books(eventId))?.sold).toBe(1);
  });

  it.each(['has its 503', 'is gone'])(
    'sells nothing to a client that %s when the row is free',
    async (what) => {
      const slow = await startService(database, {
        REQUEST_TIMEOUT_MS: what === 'is gone' ? '60000' : '2000',
        DATABASE_LOCK_TIMEOUT_MS: '60000',
      });
      const eventId = await createEvent(slow);
      const blocker = await database.owner.connect();
      const arrivals = countArrivals();
      const client = new AbortController();
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM events WHERE id = $1 FOR UPDATE', [eventId]);
      const path = `${slow.url}/events/${eventId}/tickets/purchase`;
      const order = JSON.stringify(aPurchase(1));
      const init = {
        method: 'POST',
        body: order,
        headers: { 'content-type': 'application/json' },
        signal: client.signal,
      };
      const answers = Array.from({ length: 5 }, () =>
        fetch(path, init).then(
          ({ status }) => status,
          () => 'gone',
        ),
      );
      await arrivals(5);
      if (what === 'is gone') client.abort();
      expect(new Set(await Promise.all(answers))).toEqual(new Set([what === 'is gone' ? 'gone' : 503]));
      const { calls } = vi.spyOn(PurchaseQueue.prototype, 'submit').mock;
      await expect.poll(() => calls.every(([order]) => order.isAbandoned()), { timeout: 10_000 }).toBe(true);
      await blocker.query('ROLLBACK');
      blocker.release();
      await slow.stop(); // which waits for every order
      expect(await books(eventId)).toMatchObject({ sold: 0, tickets: 0, purchased: 0 });
    },
  );

  it('holds nothing up that buys from another event', async () => {
    const [held, free] = [await createEvent(service), await createEvent(service)];
    const blocker = await database.owner.connect();
    try {
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM events WHERE id = $1 FOR UPDATE', [held]);
      const waiting = buy(held);
      expect((await buy(free)).status).toBe(201);
      await blocker.query('ROLLBACK');
      expect((await waiting).status).toBe(201);
    } finally {
      blocker.release();
    }
  });

  it('tries a transaction again that PostgreSQL ended for the sake of another one', async () => {
    const eventId = await createEvent(service);
    // The first two attempts to write fail as the victim of a deadlock does.
    await database.owner.query(`
      CREATE SEQUENCE attempts;
      GRANT USAGE ON SEQUENCE attempts TO PUBLIC;
      CREATE FUNCTION be_the_victim() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.buyer_name = 'Victim' AND nextval('attempts') <= 2 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER be_the_victim BEFORE INSERT ON purchases FOR EACH ROW EXECUTE FUNCTION be_the_victim()`);
    const order = { quantity: 1, buyer: { name: 'Victim', email: 'victim@example.com' } };
    const { status } = await service.post(`/events/${eventId}/tickets/purchase`, order);
    expect(status).toBe(201);
    expect(await rows('SELECT last_value::int AS attempts FROM attempts')).toEqual([{ attempts: 3 }]);
    expect(await books(eventId)).toMatchObject({ sold: 1, tickets: 1, purchased: 1 });
  });

  it('fails only the order that the database refuses, not the ones it shares a transaction with', async () => {
    const eventId = await createEvent(service);
    await database.owner.query(`
      ALTER TABLE purchases ADD CONSTRAINT no_mallory CHECK (buyer_name <> 'Mallory')`);
    const order = (name: string) => ({ quantity: 1, buyer: { name, email: 'someone@example.com' } });
    const blocker = await database.owner.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM events WHERE id = $1 FOR UPDATE', [eventId]);
    const arrivals = countArrivals();
    // The first one waits for the row, and the others for the first one: they will be one group.
    const first = buy(eventId);
    await arrivals(1);
    const path = `/events/${eventId}/tickets/purchase`;
    const group = ['Ada', 'Mallory', 'Grace'].map((name) => service.post(path, order(name)));
    await arrivals(4);
    await blocker.query('ROLLBACK');
    blocker.release();
    expect((await first).status).toBe(201);
    expect((await Promise.all(group)).map(({ status }) => status)).toEqual([201, 409, 201]);
    expect(await books(eventId)).toMatchObject({ sold: 3, tickets: 3, lastTicket: 3, purchased: 3 });
  });
});

describe('bounds', () => {
  let small: TestService;
  beforeEach(async () => {
    small = await startService(database, { PURCHASE_QUEUE_MAX: '2' });
    return () => small.stop();
  });

  it('answers 503 with Retry-After when the queue is full, and sells what it had taken', async () => {
    const eventId = await createEvent(small);
    const blocker = await database.owner.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM events WHERE id = $1 FOR UPDATE', [eventId]);
    const arrivals = countArrivals();
    const answers = Promise.all([1, 2, 3, 4].map(() => buy(eventId, 1, {}, small)));
    await arrivals(4);
    await blocker.query('ROLLBACK');
    blocker.release();
    const refused = (await answers).filter(({ status }) => status !== 201);
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual([
      [503, 'QUEUE_FULL'],
      [503, 'QUEUE_FULL'],
    ]);
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
    expect((await books(eventId))?.sold).toBe(2);
  });

  it('finishes what it had taken when it is asked to stop', async () => {
    const eventId = await createEvent(small);
    const blocker = await database.owner.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM events WHERE id = $1 FOR UPDATE', [eventId]);
    const arrivals = countArrivals();
    const answers = Promise.all([buy(eventId, 1, {}, small), buy(eventId, 1, {}, small)]);
    await arrivals(2);
    const stopped = small.stop();
    await blocker.query('ROLLBACK');
    blocker.release();
    expect((await answers).map(({ status }) => status)).toEqual([201, 201]);
    await stopped;
    expect((await books(eventId))?.sold).toBe(2);
  });
});

it('has no endpoint that reads a buyer back', async () => {
  const eventId = await createEvent(service);
  const purchase = await buy(eventId);
  const { body: document } = await service.get('/openapi.json');
  const reading = Object.entries<Record<string, unknown>>(document.paths)
    .filter(([path, methods]) => path.startsWith('/events') && 'get' in methods)
    .map(([path]) => path);
  expect(reading.sort()).toEqual(['/events', '/events/{id}']);
  for (const path of ['/events', `/events/${eventId}`]) {
    expect(JSON.stringify((await service.get(path)).body)).not.toContain('ada@example.com');
  }
  expect(JSON.stringify(purchase.body)).not.toContain('ada@example.com');
});
