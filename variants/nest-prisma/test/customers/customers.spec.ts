import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { anEmail, type Client, createCustomer, createTracking, newOwner } from '../support/people.js';
import { startService, type TestService } from '../support/service.js';

let stored: TestDatabase;
let service: TestService;
let owner: Client;
let stranger: Client;

beforeAll(async () => {
  stored = await createDatabase();
  service = await startService(stored);
  [owner, stranger] = [await newOwner(service), await newOwner(service)];
});

afterAll(async () => {
  await service.stop();
  await stored.drop();
});

const PATH = '/api/v1/customers';

describe('a customer', () => {
  it('is created, and found where Location says', async () => {
    const email = anEmail();
    const wish = { name: 'Corner Bakery', email: email.toUpperCase(), websiteUrl: 'https://bakery.example' };
    const { status, body, headers } = await owner.post(PATH, wish);
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      ...wish,
      email,
      status: 'ACTIVE',
      version: 1,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      createdBy: owner.userId,
      deletedAt: null,
    });
    expect(headers.get('etag')).toBe('"1"');
    const found = await owner.get(headers.get('location') ?? '');
    expect(found.body).toEqual(body);
    expect((await owner.get(`${PATH}/${body.id}`, { 'if-none-match': '"1"' })).status).toBe(304);
  });

  it.each<[string, object]>([
    ['an address that is none', { email: 'nobody' }],
    ['no name', { name: '   ' }],
    ['a name with NUL', { name: 'a\u0000b' }],
    ['half a character in its name', { name: '\ud800' }],
    ['half a character in its address', { email: '\ud800@example.com' }],
    ['half a character in its website', { websiteUrl: 'https://bakery.example/\ud800' }],
    ['an address of another type', { email: ['a@example.com'] }],
    ['a website that is none', { websiteUrl: 'javascript:alert(1)' }],
    ['an organization of its own choice', { organizationId: randomUUID() }],
    ['a version', { version: 7 }],
    ['somebody else as its creator', { createdBy: randomUUID() }],
    ['null', { name: null }],
  ])('is refused with %s', async (_what, change) => {
    const { status, body } = await owner.post(PATH, { name: 'x', email: anEmail(), ...change });
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'VALIDATION_FAILED' });
    expect(body.errors[0].pointer).toBe(`/${Object.keys(change)[0]}`);
  });

  it('has an address that no other has, but for those of other organizations', async () => {
    const { email } = await createCustomer(owner);
    const { status, body } = await owner.post(PATH, { name: 'x', email });
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'CUSTOMER_EMAIL_TAKEN' });
    expect((await stranger.post(PATH, { name: 'x', email })).status).toBe(201);
  });

  it('is changed at the version that was read, by one of two', async () => {
    const { id } = await createCustomer(owner);
    expect((await owner.patch(`${PATH}/${id}`, { name: 'a' })).status).toBe(428);
    const answers = await Promise.all(['a', 'b'].map((name) => owner.patch(`${PATH}/${id}`, { name }, 1)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    const { body } = await owner.get(`${PATH}/${id}`);
    expect(body.version).toBe(2);
  });

  it('that is deleted is gone, with its trackings, and gives its address free', async () => {
    const customer = await createCustomer(owner);
    const tracking = await createTracking(owner, customer.id);
    expect((await owner.remove(`${PATH}/${customer.id}`, 1)).status).toBe(204);
    expect((await owner.get(`${PATH}/${customer.id}`)).status).toBe(404);
    expect((await owner.get(`/api/v1/trackings/${tracking.id}`)).status).toBe(404);
    expect((await owner.remove(`${PATH}/${customer.id}`, 2)).status).toBe(404);
    const again = await owner.post(PATH, { name: 'x', email: customer.email });
    expect(again.status).toBe(201);
    const restored = await owner.post(`${PATH}/${customer.id}/restore`, undefined);
    expect({ status: restored.status, code: restored.body.code }).toEqual({
      status: 409,
      code: 'CUSTOMER_EMAIL_TAKEN',
    });
  });

  it('is restored with what was deleted along with it, and nothing else', async () => {
    const customer = await createCustomer(owner);
    const before = await createTracking(owner, customer.id);
    const along = await createTracking(owner, customer.id);
    await owner.remove(`/api/v1/trackings/${before.id}`, 1);
    await owner.remove(`${PATH}/${customer.id}`, 1);
    const orphan = await owner.post(`/api/v1/trackings/${along.id}/restore`, undefined);
    expect(orphan.body.code).toBe('CUSTOMER_DELETED');
    const { status, body } = await owner.post(`${PATH}/${customer.id}/restore`, undefined);
    expect({ status, version: body.version, deletedAt: body.deletedAt }).toEqual({
      status: 200,
      version: 3,
      deletedAt: null,
    });
    expect((await owner.get(`/api/v1/trackings/${along.id}`)).status).toBe(200);
    expect((await owner.get(`/api/v1/trackings/${before.id}`)).status).toBe(404);
  });

  it('gets no tracking while it is being deleted', async () => {
    const customer = await createCustomer(owner);
    const trackings = Array.from({ length: 8 }, (_, index) =>
      owner.post('/api/v1/trackings', { customerId: customer.id, name: `t${index}`, kind: 'PURCHASE' }),
    );
    await Promise.all([owner.remove(`${PATH}/${customer.id}`, 1), ...trackings]);
    const left = await stored.rows(
      owner.organizationId,
      'SELECT id FROM trackings WHERE customer_id = $1 AND deleted_at IS NULL',
      [customer.id],
    );
    expect(left).toEqual([]);
  });
});

describe('of another organization', () => {
  it('a customer is as if it were not there', async () => {
    const { id } = await createCustomer(owner);
    const operations: [string, (id: string) => ReturnType<Client['get']>][] = [
      ['get', (id) => stranger.get(`${PATH}/${id}`, { 'x-request-id': 'same' })],
      ['patch', (id) => stranger.patch(`${PATH}/${id}`, { name: 'taken' }, 1)],
      ['delete', (id) => stranger.remove(`${PATH}/${id}`, 1)],
      ['restore', (id) => stranger.post(`${PATH}/${id}/restore`, undefined)],
      [
        'tracking',
        (id) => stranger.post('/api/v1/trackings', { customerId: id, name: 'x', kind: 'PURCHASE' }),
      ],
    ];
    for (const [name, operation] of operations) {
      const [theirs, none] = [await operation(id), await operation(randomUUID())];
      expect([name, theirs.status]).toEqual([name, 404]);
      const strip = ({ requestId: _id, instance: _path, ...rest }: Record<string, unknown>) => rest;
      expect(strip(theirs.body)).toEqual(strip(none.body));
    }
    const { body } = await owner.get(`${PATH}/${id}`);
    expect(body.version).toBe(1);
  });
});

describe('a list', () => {
  let lister: Client;
  const names = ['Delta', 'alpha', 'Charlie', 'bravo', 'Echo'];
  const list = async (query: string) => {
    const { status, body } = await lister.get(`${PATH}?${query}`);
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body as { data: { id: string; name: string }[]; page: { nextCursor: string | null } };
  };

  beforeAll(async () => {
    lister = await newOwner(service);
    for (const name of names) await createCustomer(lister, { name });
  });

  it.each([
    ['createdAt', names],
    ['-createdAt', names.toReversed()],
    ['updatedAt', names],
    ['name', undefined],
    ['-name', undefined],
  ])('sorted by %s is read page by page, each row once', async (sort, expected) => {
    const whole = (await list(`sort=${sort}&limit=100`)).data.map(({ name }) => name);
    if (expected !== undefined) expect(whole).toEqual(expected);
    const paged: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { data, page } = await list(`sort=${sort}&limit=2${cursor && `&cursor=${cursor}`}`);
      paged.push(...data.map(({ name }) => name));
      cursor = page.nextCursor;
    }
    expect(paged).toEqual(whole);
    expect(whole.length).toBe(names.length);
  });

  it('goes on after a name that is as long as a name can be', async () => {
    const reader = await newOwner(service);
    for (const letter of 'あいう') await createCustomer(reader, { name: letter.repeat(200) });
    const first = await reader.get(`${PATH}?sort=name&limit=2`);
    const second = await reader.get(`${PATH}?sort=name&limit=2&cursor=${first.body.page.nextCursor}`);
    expect([second.status, second.body.data?.length]).toEqual([200, 1]);
  });

  it('goes on where it was, whatever is added before', async () => {
    const reader = await newOwner(service);
    for (const name of ['a', 'b', 'c']) await createCustomer(reader, { name });
    const first = await reader.get(`${PATH}?limit=2`);
    await createCustomer(reader, { name: 'newer' });
    const second = await reader.get(`${PATH}?limit=2&cursor=${first.body.page.nextCursor}`);
    expect(second.body.data.map(({ name }: { name: string }) => name)).toEqual(['a']);
  });

  it('is filtered', async () => {
    const [, second] = (await list('sort=createdAt')).data as { id: string; createdAt?: string }[];
    const { body } = await lister.get(`${PATH}/${second?.id}`);
    await lister.patch(`${PATH}/${second?.id}`, { status: 'PAUSED' }, 1);
    const found = async (query: string) =>
      (await list(`sort=createdAt&${query}`)).data.map(({ name }) => name);
    expect(await found('search=ALPH')).toEqual(['alpha']);
    expect(await found(`search=${encodeURIComponent(body.email.slice(0, 30))}`)).toEqual(['alpha']);
    expect(await found('search=%25')).toEqual([]);
    expect(await found('status=PAUSED')).toEqual(['alpha']);
    expect(await found(`createdTo=${body.createdAt}`)).toEqual(['Delta']);
    expect((await found(`createdFrom=${body.createdAt}`)).length).toBe(4);
    expect(await found('deleted=true')).toEqual([]);
  });

  it('shows what is deleted to who asks for it', async () => {
    const { id } = await createCustomer(lister, { name: 'gone' });
    await lister.remove(`${PATH}/${id}`, 1);
    expect((await list('deleted=true')).data.map(({ name }) => name)).toEqual(['gone']);
    expect((await list('limit=100')).data.map(({ name }) => name)).not.toContain('gone');
  });

  it.each([
    'sort=email',
    'sort=organizationId',
    'limit=0',
    'limit=101',
    'status=NO',
    'cursor=nonsense',
    'createdFrom=yesterday',
    'deleted=maybe',
    'sort=name&sort=-name',
    'organizationId=1',
    `cursor=${Buffer.from(JSON.stringify(['-createdAt', 'x', randomUUID()])).toString('base64url')}`,
    `cursor=${Buffer.from(JSON.stringify(['name', 'x', randomUUID()])).toString('base64url')}`,
  ])('with ?%s is refused', async (query) => {
    const { status, body } = await lister.get(`${PATH}?${query}`);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'VALIDATION_FAILED' });
  });
});

describe('with an Idempotency-Key', () => {
  const key = () => ({ 'idempotency-key': randomUUID() });

  it('a repetition is answered like the first, and has no effect', async () => {
    const headers = key();
    const wish = { name: 'once', email: anEmail() };
    const first = await owner.post(PATH, wish, headers);
    const second = await owner.post(PATH, wish, headers);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect([second.status, second.body]).toEqual([first.status, first.body]);
    const lines = await stored.rows(owner.organizationId, 'SELECT id FROM audit_log WHERE entity_id = $1', [
      first.body.id,
    ]);
    expect(lines.length).toBe(1);
  });

  it('fifty at the same moment have one effect', async () => {
    const client = await newOwner(service);
    const headers = key();
    const wish = { name: 'once', email: anEmail() };
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.post(PATH, wish, headers)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(201);
    const { body } = await client.get(PATH);
    expect(body.data.length).toBe(1);
  });

  it('another request under the same key is refused', async () => {
    const headers = key();
    await owner.post(PATH, { name: 'one', email: anEmail() }, headers);
    const { status, body } = await owner.post(PATH, { name: 'two', email: anEmail() }, headers);
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' });
  });

  it('what failed is not remembered, and others have keys of their own', async () => {
    const headers = key();
    const { email } = await createCustomer(owner);
    expect((await owner.post(PATH, { name: 'x', email }, headers)).status).toBe(409);
    expect((await owner.post(PATH, { name: 'x', email: anEmail() }, headers)).status).toBe(201);
    expect((await stranger.post(PATH, { name: 'y', email: anEmail() }, headers)).status).toBe(201);
  });

  it('one that is older than a day is forgotten', async () => {
    const client = await newOwner(service);
    const old = key();
    await client.post(PATH, { name: 'x', email: anEmail() }, old);
    await stored.rows(
      client.organizationId,
      `UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`,
    );
    await client.post(PATH, { name: 'y', email: anEmail() }, key());
    const left = await stored.rows<{ key: string }>(
      client.organizationId,
      'SELECT key FROM idempotency_keys',
    );
    expect(left.map(({ key }) => key)).not.toContain(old['idempotency-key']);
    expect(left.length).toBe(1);
  });
});

it('the audit log tells who did what, in the words of no personal data', async () => {
  const client = await newOwner(service);
  const customer = await createCustomer(client, { name: 'Secret name' });
  await client.patch(`${PATH}/${customer.id}`, { name: 'Other name' }, 1);
  await client.remove(`${PATH}/${customer.id}`, 2);
  const { body } = await client.get(`/api/v1/audit-log?entityId=${customer.id}`);
  expect(body.data).toMatchObject([
    { action: 'customer.deleted', changes: { trackings: 0 }, createdBy: client.userId },
    { action: 'customer.updated', changes: { members: ['name'] } },
    { action: 'customer.created', requestId: expect.any(String) },
  ]);
  expect(JSON.stringify(body)).not.toMatch(/Secret name|Other name/);
  const first = await client.get('/api/v1/audit-log?limit=1');
  expect(first.body.page.nextCursor).not.toBeNull();
  expect((await stranger.get(`/api/v1/audit-log?entityId=${customer.id}`)).body.data).toEqual([]);
});
