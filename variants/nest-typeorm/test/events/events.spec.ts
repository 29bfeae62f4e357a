import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { anEvent, aPurchase, createEvent } from '../support/events.js';
import { startService, type TestService } from '../support/service.js';

let database: TestDatabase;
let service: TestService;

beforeAll(async () => {
  database = await createDatabase();
  service = await startService(database);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

describe('POST /events', () => {
  it('stores the event and says where it is', async () => {
    const { status, headers, body } = await service.post(
      '/events',
      anEvent({ name: 'Quartets', startsAt: '2950-05-01T21:30:00+02:00' }),
    );

    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/events/${body.id}`);
    expect(headers.get('etag')).toBe('"1"');
    expect(body).toMatchObject({
      name: 'Quartets',
      description: 'Strings and brass',
      startsAt: '2950-05-01T19:30:00.000Z',
      capacity: 100,
      sold: 0,
      available: 100,
      price: 4_500,
      currency: 'EUR',
      version: 1,
    });
    expect((await service.get(`/events/${body.id}`)).body).toEqual(body);
  });

  it('takes an event without a description', async () => {
    const { description, ...event } = anEvent();
    const { status, body } = await service.post('/events', event);
    expect([status, body.description]).toEqual([201, '']);
    expect(description).not.toBe('');
  });

  it.each([
    ['name', ''],
    ['name', ' '.repeat(3)],
    ['name', 'x'.repeat(201)],
    ['name', 'a\u0000b'],
    ['name', '\ud800'],
    ['description', null],
    ['venue', 7],
    ['startsAt', '2950-05-01'],
    ['startsAt', '2950-05-01T19:30:00'],
    ['startsAt', '2950-02-30T19:30:00Z'],
    ['capacity', 0],
    ['capacity', 1_000_001],
    ['capacity', 1.5],
    ['capacity', '100'],
    ['price', -1],
    ['price', 100_000_001],
    ['currency', 'EURO'],
    ['currency', 'XQQ'],
    ['sold', 5],
    ['version', 9],
    ['id', '01990000-0000-7000-8000-00000000000f'],
  ])('refuses %s = %j and names it', async (member, value) => {
    const before = await count('events');
    const { status, body } = await service.post('/events', anEvent({ [member]: value }));
    expect(status).toBe(400);
    expect(body.code).toBe('VALIDATION_FAILED');
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toContain(`/${member}`);
    expect(await count('events')).toBe(before);
  });

  it('names every fault at once', async () => {
    const { body } = await service.post('/events', anEvent({ name: '', capacity: 0, currency: 'x' }));
    const pointers = new Set(body.errors.map(({ pointer }: { pointer: string }) => pointer));
    expect(pointers).toEqual(new Set(['/name', '/capacity', '/currency']));
  });
});

describe('GET /events/:id', () => {
  it('answers 304 without a body to whoever holds the version', async () => {
    const id = await createEvent(service);
    for (const tag of ['"1"', 'W/"1"', '"7", "1"', '*']) {
      const { status, headers, body } = await service.get(`/events/${id}`, { 'if-none-match': tag });
      expect([tag, status, headers.get('etag'), body]).toEqual([tag, 304, '"1"', undefined]);
    }
    expect((await service.get(`/events/${id}`, { 'if-none-match': '"2"' })).status).toBe(200);
  });

  it('changes its ETag when tickets are sold', async () => {
    const id = await createEvent(service);
    await service.post(`/events/${id}/tickets/purchase`, aPurchase(3));
    const { headers, body } = await service.get(`/events/${id}`, { 'if-none-match': '"1"' });
    expect(headers.get('etag')).toBe('"1.3"');
    expect(body).toMatchObject({ sold: 3, available: 97, version: 1 });
  });

  it('tells an unknown event from a malformed id', async () => {
    const unknown = await service.get('/events/01990000-0000-7000-8000-00000000000f');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'EVENT_NOT_FOUND']);
    const malformed = await service.get('/events/42');
    expect([malformed.status, malformed.body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(malformed.body.errors).toEqual([{ pointer: '/id', message: 'id must be a UUID' }]);
  });
});

describe('PATCH /events/:id', () => {
  it('changes what is named, and nothing else', async () => {
    const id = await createEvent(service, { name: 'Before', venue: 'Here' });
    const { status, headers, body } = await service.patch(
      `/events/${id}`,
      { name: 'After' },
      { 'if-match': '"1"' },
    );
    expect([status, headers.get('etag')]).toEqual([200, '"2"']);
    expect(body).toMatchObject({ name: 'After', venue: 'Here', version: 2 });
  });

  it('asks for If-Match, and refuses a version that is no longer the last', async () => {
    const id = await createEvent(service);
    const without = await service.patch(`/events/${id}`, { name: 'x' });
    expect([without.status, without.body.code]).toEqual([428, 'PRECONDITION_REQUIRED']);
    await service.patch(`/events/${id}`, { name: 'first' }, { 'if-match': '"1"' });
    const stale = await service.patch(`/events/${id}`, { name: 'second' }, { 'if-match': '"1"' });
    expect([stale.status, stale.body.code]).toEqual([412, 'VERSION_CONFLICT']);
    expect((await service.get(`/events/${id}`)).body).toMatchObject({ name: 'first', version: 2 });
  });

  it('lets exactly one of many win that read the same version', async () => {
    const id = await createEvent(service);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        service.patch(`/events/${id}`, { name: `writer ${index}` }, { 'if-match': '"1"' }),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 19 }, () => 412)]);
    const winner = answers.find(({ status }) => status === 200);
    expect((await service.get(`/events/${id}`)).body).toEqual(winner?.body);
  });

  it('never lets the capacity fall below what is sold', async () => {
    const id = await createEvent(service, { capacity: 10 });
    await service.post(`/events/${id}/tickets/purchase`, aPurchase(5));
    const refused = await service.patch(`/events/${id}`, { capacity: 4 }, { 'if-match': '"1"' });
    expect([refused.status, refused.body.code, refused.body.sold]).toEqual([409, 'CAPACITY_BELOW_SOLD', 5]);
    const exact = await service.patch(`/events/${id}`, { capacity: 5 }, { 'if-match': '"1.5"' });
    expect(exact.body).toMatchObject({ capacity: 5, available: 0 });
  });

  it('keeps the list of available events true when the capacity changes', async () => {
    const id = await createEvent(service, { capacity: 1, name: 'Availability' });
    await service.post(`/events/${id}/tickets/purchase`, aPurchase(1));
    expect(await ids('/events?q=Availability&available=true')).toEqual([]);
    await service.patch(`/events/${id}`, { capacity: 2 }, { 'if-match': '"1.1"' });
    expect(await ids('/events?q=Availability&available=true')).toEqual([id]);
    expect(await ids('/events?q=Availability&available=false')).toEqual([]);
  });

  it.each([[{ sold: 0 }], [{ version: 7 }], [{ soldOut: true }], [{ name: null }], [{ capacity: 0 }]])(
    'refuses %j',
    async (changes) => {
      const id = await createEvent(service);
      const { status } = await service.patch(`/events/${id}`, changes, { 'if-match': '"1"' });
      expect(status).toBe(400);
      expect((await service.get(`/events/${id}`)).body.version).toBe(1);
    },
  );

  it.each(['W/"1"', '"7", "1"', '*'])('takes If-Match: %s for version 1', async (tag) => {
    const id = await createEvent(service);
    const { status, body } = await service.patch(`/events/${id}`, { name: 'x' }, { 'if-match': tag });
    expect([status, body.version]).toEqual([200, 2]);
  });

  it.each(['"abc"', '"2", "3"', 'W/"2"'])('refuses a change of version 1 with If-Match: %s', async (tag) => {
    const id = await createEvent(service);
    const { status, body } = await service.patch(`/events/${id}`, { name: 'x' }, { 'if-match': tag });
    expect([status, body.code]).toEqual([412, 'VERSION_CONFLICT']);
  });

  it('lets an event be edited while its tickets sell', async () => {
    const id = await createEvent(service);
    const { headers } = await service.get(`/events/${id}`);
    await service.post(`/events/${id}/tickets/purchase`, aPurchase(3));
    const tag = { 'if-match': headers.get('etag') ?? '' };
    const { status, body } = await service.patch(`/events/${id}`, { name: 'Edited' }, tag);
    expect([status, body.name, body.sold, body.version]).toEqual([200, 'Edited', 3, 2]);
  });

  it.each(['1', '"1', 'W/1', '"1" "2"'])('refuses If-Match: %s, which is malformed', async (tag) => {
    const id = await createEvent(service);
    const { status, body } = await service.patch(`/events/${id}`, { name: 'x' }, { 'if-match': tag });
    expect([status, body.code]).toEqual([400, 'BAD_REQUEST']);
  });
});

describe('GET /events?q=', () => {
  it.each([
    'AC/DC live',
    'Blink-182',
    '3.5 Mile Run',
    'हिन्दी कवि सम्मेलन',
    "Rock'n'Roll & Co.",
    'C:\\path',
    'Über-Gänge (Teil II)',
  ])('finds %s by its own name, and by its beginning', async (name) => {
    const id = await createEvent(service, { name });
    expect(await ids(`/events?limit=100&q=${encodeURIComponent(name)}`)).toContain(id);
    expect(await ids(`/events?limit=100&q=${encodeURIComponent(name.slice(0, 2))}`)).toContain(id);
    expect(await ids(`/events?limit=100&q=${encodeURIComponent(`${name} elsewhere`)}`)).not.toContain(id);
  });
});

describe('GET /events', () => {
  it('pages through all events by their start, none twice and none left out, while others are added', async () => {
    const starts = Array.from(
      { length: 25 },
      (_, day) => `2951-01-${String(day + 1).padStart(2, '0')}T20:00:00Z`,
    );
    for (const startsAt of starts) await createEvent(service, { startsAt });
    const seen: string[] = [];
    let path = '/events?from=2951-01-01T00:00:00Z&to=2951-02-01T00:00:00Z&limit=10';
    let cursor: string | null = null;
    do {
      const page = await service.get(cursor === null ? path : `${path}&cursor=${cursor}`);
      seen.push(...page.body.data.map(({ startsAt }: { startsAt: string }) => startsAt));
      cursor = page.body.page.nextCursor;
      // Sorts before everything that is still to come.
      await createEvent(service, { startsAt: '2951-01-01T00:00:01Z' });
      path = '/events?from=2951-01-01T00:00:00Z&to=2951-02-01T00:00:00Z&limit=7';
    } while (cursor !== null);
    expect(seen).toEqual(starts.map((time) => new Date(time).toISOString()));
  });

  it('filters by start: from is included, to is not', async () => {
    const times = ['2952-03-01T00:00:00Z', '2952-03-02T00:00:00Z', '2952-03-03T00:00:00Z'];
    const created: string[] = [];
    for (const startsAt of times) created.push(await createEvent(service, { startsAt }));
    expect(await ids('/events?from=2952-03-01T00:00:00Z&to=2952-03-03T00:00:00Z')).toEqual(
      created.slice(0, 2),
    );
  });

  it('finds words of the name and the venue by their beginnings, whatever their case', async () => {
    const id = await createEvent(service, { name: 'Zürich Philharmonic', venue: 'Opera (house)' });
    for (const q of ['zürich', 'phil', 'opera phil', 'HOUSE', "phil' & !opera"]) {
      expect([q, await ids(`/events?q=${encodeURIComponent(q)}`)]).toEqual([q, [id]]);
    }
    expect(await ids('/events?q=philh%20jazz')).toEqual([]);
    expect(await ids('/events?q=%26%21')).toEqual([]);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=ten',
    'cursor=nonsense',
    'from=yesterday',
    'available=maybe',
    'q=',
    'offset=3',
    'limit=1&limit=2',
  ])('refuses ?%s and names the parameter', async (query) => {
    const { status, body } = await service.get(`/events?${query}`);
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(body.errors[0].pointer).toBe(`/${query.split('=')[0]}`);
  });

  it('shows 20 events unless asked for another number', async () => {
    for (let index = 0; index < 21; index += 1) await createEvent(service);
    expect(await ids('/events')).toHaveLength(20);
    expect(await ids('/events?limit=3')).toHaveLength(3);
  });
});

async function ids(path: string): Promise<string[]> {
  const { body } = await service.get(path);
  return body.data.map(({ id }: { id: string }) => id);
}

async function count(table: string): Promise<number> {
  const { rows } = await database.owner.query(`SELECT count(*)::int AS count FROM ${table}`);
  return rows[0].count;
}
