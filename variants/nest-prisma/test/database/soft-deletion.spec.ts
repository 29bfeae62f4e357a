import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Database } from '../../src/database/database.js';
import { IsolationError } from '../../src/database/isolation.js';
import type { OrganizationScope } from '../../src/database/scope.js';
import type { Prisma } from '../../src/generated/prisma/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { createOrganization, openDatabase, type TestAccess } from '../support/organizations.js';

type Client = Database['client'];

let stored: TestDatabase;
let access: TestAccess;
let ours: OrganizationScope;
/** One that is deleted, with a tracking that is, too; and a customer that has a deleted tracking. */
let deleted: string;
let deletedTracking: string;
let customer: string;

const as = <Result>(work: (client: Client) => PromiseLike<Result>, scope = ours) =>
  access.database.run(scope, async () => work(access.database.client));

beforeAll(async () => {
  stored = await createDatabase();
  // Row-level security is the second wall: here the first one stands alone.
  for (const table of ['customers', 'trackings', 'organizations'])
    await stored.owner.query(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
  access = openDatabase(stored.url);
  ours = await createOrganization(access.database);
  const other = await createOrganization(access.database);
  const create = (scope: OrganizationScope, deletedAt: Date | null) =>
    as(
      (client) => client.customer.create({ data: { name: 'x', email: `${randomUUID()}@e.x`, deletedAt } }),
      scope,
    );
  deleted = (await create(ours, new Date())).id;
  customer = (await create(ours, null)).id;
  await create(other, null);
  const track = (customerId: string) =>
    as((client) =>
      client.tracking.create({
        data: { customerId, name: randomUUID(), kind: 'PAGE_VIEW', deletedAt: new Date() },
      }),
    );
  deletedTracking = (await track(deleted)).id;
  await track(customer);
});

afterAll(async () => {
  await access.close();
  await stored.drop();
});

/** Filters that name `deletedAt` and exclude nothing by it. */
const WITHOUT_EFFECT: [string, { deletedAt: never }][] = (
  [
    ['undefined', undefined],
    ['an empty filter', {}],
    ['not undefined', { not: undefined }],
    ['equals undefined', { equals: undefined }],
    ['not of nothing', { not: { gt: undefined } }],
    ['a range without ends', { gte: undefined, lt: undefined }],
    ['notIn of nothing', { notIn: [] }],
  ] as [string, never][]
).map(([name, deletedAt]) => [name, { deletedAt }]);

describe.each(WITHOUT_EFFECT)('deletedAt: %s', (_name, filter) => {
  it.each<[string, (client: Client) => PromiseLike<unknown>, unknown]>([
    ['findUnique', (c) => c.customer.findUnique({ where: { id: deleted, ...filter } }), null],
    ['findFirst', (c) => c.customer.findFirst({ where: { id: deleted, ...filter } }), null],
    ['findMany', (c) => c.customer.findMany({ where: { id: deleted, ...filter } }), []],
    ['findMany by AND', (c) => c.customer.findMany({ where: { id: deleted, AND: [filter] } }), []],
    ['findMany by OR', (c) => c.customer.findMany({ where: { OR: [{ id: deleted, ...filter }] } }), []],
    ['findMany by NOT', (c) => c.customer.findMany({ where: { id: deleted, NOT: [], ...filter } }), []],
    ['count', (c) => c.customer.count({ where: { id: deleted, ...filter } }), 0],
    [
      'aggregate',
      (c) => c.customer.aggregate({ where: { id: deleted, ...filter }, _count: true }),
      { _count: 0 },
    ],
    ['groupBy', (c) => c.customer.groupBy({ by: ['id'], where: { id: deleted, ...filter } }), []],
    [
      'updateMany',
      (c) => c.customer.updateMany({ where: { id: deleted, ...filter }, data: { name: 'changed' } }),
      { count: 0 },
    ],
    [
      'updateManyAndReturn',
      (c) => c.customer.updateManyAndReturn({ where: { id: deleted, ...filter }, data: { name: 'changed' } }),
      [],
    ],
    ['some', (c) => c.customer.findMany({ where: { id: customer, trackings: { some: filter } } }), []],
    ['none', (c) => c.customer.count({ where: { id: customer, trackings: { none: filter } } }), 1],
    [
      'every',
      (c) => c.customer.count({ where: { id: customer, trackings: { every: { name: 'no', ...filter } } } }),
      1,
    ],
    [
      'include',
      (c) =>
        c.customer.findFirst({
          where: { id: customer },
          select: { trackings: { where: filter } },
        }),
      { trackings: [] },
    ],
    [
      '_count',
      (c) =>
        c.customer.findFirst({
          where: { id: customer },
          select: { _count: { select: { trackings: { where: filter } } } },
        }),
      { _count: { trackings: 0 } },
    ],
    [
      'a relation to one row',
      (c) =>
        c.tracking.findMany({ where: { id: deletedTracking, deletedAt: { not: null }, customer: filter } }),
      [],
    ],
    [
      'is',
      (c) =>
        c.tracking.findMany({
          where: { id: deletedTracking, deletedAt: { not: null }, customer: { is: filter } },
        }),
      [],
    ],
  ])('%s reaches no deleted row', async (_operation, run, expected) => {
    expect(await as(run)).toEqual(expected);
  });

  it.each<[string, (client: Client) => PromiseLike<unknown>]>([
    ['update', (c) => c.customer.update({ where: { id: deleted, ...filter }, data: { name: 'changed' } })],
    [
      'a nested update',
      (c) =>
        c.organization.update({
          where: { id: ours.organizationId },
          data: { customers: { update: { where: { id: deleted, ...filter }, data: { name: 'changed' } } } },
        }),
    ],
    [
      'connect',
      (c) =>
        c.customer.update({
          where: { id: customer },
          data: { trackings: { connect: { id: deletedTracking, ...filter } } },
        }),
    ],
  ])('%s of a deleted row fails', async (_operation, run) => {
    await expect(as(run)).rejects.toMatchObject({ code: expect.stringMatching(/^P20(18|25)$/) });
  });

  it('a nested updateMany changes no deleted row', async () => {
    await as((client) =>
      client.organization.update({
        where: { id: ours.organizationId },
        data: { customers: { updateMany: { where: { id: deleted, ...filter }, data: { name: 'changed' } } } },
      }),
    );
    const { rows } = await stored.owner.query('SELECT name FROM customers WHERE id = $1', [deleted]);
    expect(rows).toEqual([{ name: 'x' }]);
  });
});

it('a filter with a value of deletedAt reaches deleted rows', async () => {
  const found = await as((client) => client.customer.findMany({ where: { deletedAt: { not: null } } }));
  expect(found.map(({ id }) => id)).toEqual([deleted]);
});

/** Filters that Prisma ignores, or that are true of every row. */
const OF_ALL: [string, Prisma.CustomerWhereInput | undefined][] = [
  ['undefined', undefined],
  ['organizationId: undefined', { organizationId: undefined }],
  ['organizationId: not undefined', { organizationId: { not: undefined } }],
  ['organization: undefined', { organization: undefined }],
  ['organization: is undefined', { organization: { is: undefined } }],
  ['AND of nothing', { AND: [] }],
  ['AND: undefined', { AND: undefined }],
  ['OR: undefined', { OR: undefined }],
  ['OR of everything', { OR: [{}, { name: { not: '' } }] }],
  ['NOT of nothing', { NOT: [] }],
  ['NOT: undefined', { NOT: undefined }],
  ['AND of undefined', { AND: [{ organizationId: undefined, deletedAt: undefined }] }],
  ['OR of undefined', { OR: [{ organizationId: undefined }, { deletedAt: undefined }] }],
] as [string, never][];

describe.each(OF_ALL)('a filter with %s', (_name, where) => {
  const filter = where as Prisma.CustomerWhereInput;

  it('reaches the live rows of the organization alone', async () => {
    const ids = (rows: { id: string }[]) => rows.map(({ id }) => id).filter((id) => id !== customer);
    expect(ids(await as((client) => client.customer.findMany({ where: filter })))).toEqual([]);
    expect(await as((client) => client.customer.count({ where: filter }))).toBeLessThanOrEqual(1);
    expect(ids(await as((c) => c.customer.groupBy({ by: ['id'], where: filter })))).toEqual([]);
    const { _count } = await as((c) => c.customer.aggregate({ where: filter, _count: true }));
    expect(_count).toBeLessThanOrEqual(1);
  });
});

/** Filters of which Prisma ignores a member, so that what they leave is not what they name. */
const BLANK: [string, Prisma.CustomerWhereInput | undefined][] = [
  ...OF_ALL,
  ['nothing', {}],
  ['deletedAt: undefined', { deletedAt: undefined }],
  ['id: undefined', { id: undefined }],
  ['id: nothing', { id: {} }],
  ['id: equals undefined', { id: { equals: undefined } }],
  ['id: in undefined', { id: { in: undefined } }],
  ['id: not equals undefined', { id: { not: { equals: undefined } } }],
  ['a member beside id: undefined', { id: undefined, name: 'x' }],
  ['NOT of undefined', { NOT: { id: undefined } }],
  ['OR of nothing', { OR: [{ id: undefined }, { name: 'x' }] }],
  ['a relation by undefined', { trackings: { some: { id: undefined } } }],
  ['a relation: some undefined', { trackings: { some: undefined } }],
  ['a relation: every of nothing', { trackings: { every: {} } }],
  [
    'a relation: every by deletedAt: undefined',
    { AND: [{ trackings: { every: { deletedAt: undefined } } }] },
  ],
  ['name: not of nothing', { name: { not: {} } }],
  ['name: a mode alone', { name: { mode: 'insensitive' } }],
  ['name: not of a mode alone', { name: { not: { mode: 'insensitive' } } }],
] as [string, never][];

it('a filter by an empty object, or for any row of a relation, has an effect', async () => {
  const data = { state: 'UNDONE' } as const;
  for (const resources of [{ equals: {} }, { path: ['a'], equals: {} }])
    expect(await as((c) => c.trackingSetupStep.updateMany({ where: { resources }, data }))).toEqual({
      count: 0,
    });
  const where = { AND: [{ trackings: { none: {} } }] };
  expect(await as((c) => c.customer.findFirst({ where }))).toEqual(
    await as((c) => c.customer.findFirst({ where: where.AND[0] })),
  );
});

describe.each(BLANK)('a filter with %s', (_name, where) => {
  const filter = where as Prisma.CustomerWhereInput;
  const data = { websiteUrl: 'https://x.example' };

  it.each<[string, (client: Client) => PromiseLike<unknown>]>([
    ['findFirst', (c) => c.customer.findFirst({ where: filter })],
    ['findFirstOrThrow', (c) => c.customer.findFirstOrThrow({ where: filter })],
    ['findUnique', (c) => c.customer.findUnique({ where: filter as never })],
    ['updateMany', (c) => c.customer.updateMany({ where: filter, data })],
    ['updateManyAndReturn', (c) => c.customer.updateManyAndReturn({ where: filter, data })],
    [
      'a nested updateMany',
      (c) =>
        c.organization.update({
          where: { id: ours.organizationId },
          data: { customers: { updateMany: { where: { name: 'x', AND: [filter] }, data } } },
        }),
    ],
  ])('is refused by %s', async (_operation, run) => {
    await expect(as(run)).rejects.toThrow();
    const { rows } = await stored.owner.query('SELECT FROM customers WHERE website_url IS NOT NULL');
    expect(rows).toEqual([]);
  });
});

it.each<[string, Prisma.MembershipWhereInput]>([
  ['userId: undefined', { userId: undefined as never }],
  ['userId: nothing', { userId: {} }],
  ['nothing', {}],
])('deleteMany with %s deletes nobody', async (_name, where) => {
  const before = await as((client) => client.membership.count());
  await expect(as((client) => client.membership.deleteMany({ where }))).rejects.toThrow(IsolationError);
  expect(await as((client) => client.membership.count())).toBe(before);
});

it('filters with a value, and a list without one, are accepted', async () => {
  const { id } = await as((client) => client.customer.findFirstOrThrow());
  const found = await as((client) =>
    client.customer.findFirst({
      where: { id, name: { notIn: [] }, trackings: { none: {} }, NOT: { email: '' }, OR: [{ id }] },
    }),
  );
  expect(found?.id ?? id).toBe(id);
  expect(await as((client) => client.customer.findMany({ where: { name: undefined } }))).not.toEqual([]);
});

it.each<[string, (client: Client) => PromiseLike<unknown>]>([
  ['findUnique', (c) => c.customer.findUnique({ where: { id: undefined as never } })],
  ['findUniqueOrThrow', (c) => c.customer.findUniqueOrThrow({ where: { id: undefined as never } })],
  [
    'findUnique by a compound key',
    (c) =>
      c.customer.findUnique({
        where: { organizationId_id: { organizationId: ours.organizationId, id: undefined as never } },
      }),
  ],
  ['update', (c) => c.customer.update({ where: { id: undefined as never }, data: { name: 'changed' } })],
  [
    'upsert',
    (c) =>
      c.customer.upsert({
        where: { id: undefined as never },
        update: { name: 'changed' },
        create: { name: 'x', email: 'x@e.x' },
      }),
  ],
  ['delete', (c) => c.membership.delete({ where: { organizationId_userId: undefined as never } })],
])('%s by an undefined key fails', async (_operation, run) => {
  await expect(as(run)).rejects.toThrow();
});

it('an organization that is left undefined in a write is that of the scope', async () => {
  const written = await as((client) =>
    client.customer.create({
      data: { name: 'y', email: `${randomUUID()}@e.x`, organizationId: undefined as never },
    }),
  );
  expect(written.organizationId).toBe(ours.organizationId);
  await as((client) =>
    client.customer.update({
      where: { id: written.id },
      data: { organizationId: undefined as never, deletedAt: new Date() },
    }),
  );
});
