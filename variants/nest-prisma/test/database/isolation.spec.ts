import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Database } from '../../src/database/database.js';
import { IsolationError } from '../../src/database/isolation.js';
import { NoScopeError, type OrganizationScope } from '../../src/database/scope.js';
import { Prisma } from '../../src/generated/prisma/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { createOrganization, openDatabase, type TestAccess } from '../support/organizations.js';

let stored: TestDatabase;
let access: TestAccess;
let database: Database;
/** Who acts, and whose data must stay out of reach. */
let ours: OrganizationScope;
let theirs: OrganizationScope;
let ourCustomer: string;
let theirCustomer: string;
let theirTracking: string;

beforeAll(async () => {
  stored = await createDatabase();
  // Row-level security is the second wall, and has tests of its own: here the first one stands alone.
  for (const table of [
    'customers',
    'trackings',
    'organizations',
    'audit_log',
    'memberships',
    'idempotency_keys',
  ]) {
    await stored.owner.query(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
  }
  access = openDatabase(stored.url);
  database = access.database;
});

afterAll(async () => {
  await access.close();
  await stored.drop();
});

let counter = 0;
const email = () => `customer-${++counter}@example.com`;

beforeEach(async () => {
  ours = await createOrganization(database);
  theirs = await createOrganization(database);
  ourCustomer = await createCustomer(ours);
  theirCustomer = await createCustomer(theirs);
  theirTracking = await createTracking(theirs, theirCustomer);
});

async function createCustomer(scope: OrganizationScope): Promise<string> {
  const { id } = await database.run(scope, () =>
    database.client.customer.create({ data: { name: 'Bakery', email: email() } }),
  );
  return id;
}

async function createTracking(scope: OrganizationScope, customerId: string, name = `Tracking ${++counter}`) {
  const { id } = await database.run(scope, () =>
    database.client.tracking.create({ data: { customerId, name, kind: 'PAGE_VIEW' } }),
  );
  return id;
}

/** A row as it is stored, whoever may see it. */
async function row(table: string, id: string): Promise<Record<string, unknown>> {
  const { rows } = await stored.owner.query(`SELECT * FROM ${table} WHERE id = $1`, [id]);
  return rows[0];
}

const as = <Result>(work: (client: Database['client']) => PromiseLike<Result>) =>
  database.run(ours, async () => work(database.client));

describe('outside of a scope', () => {
  it('nothing runs', async () => {
    await expect(database.client.customer.findMany()).rejects.toThrow(NoScopeError);
    await expect(database.client.customer.create({ data: { name: 'x', email: 'x' } })).rejects.toThrow(
      NoScopeError,
    );
    await expect(database.client.$queryRaw`SELECT 1`).rejects.toThrow(NoScopeError);
    await expect(database.transaction((client) => client.customer.count())).rejects.toThrow(NoScopeError);
    await expect(database.client.$transaction([database.client.customer.count()])).rejects.toThrow(
      NoScopeError,
    );
  });

  it('a query that was made in a scope does not run when it is awaited', async () => {
    let query: PromiseLike<unknown> | undefined;
    await database.run(ours, () => {
      query = database.client.customer.findMany();
    });
    await expect(query).rejects.toThrow(NoScopeError);
  });

  it('and a query that the scope returns runs inside of it', async () => {
    expect(await database.run(ours, () => database.client.customer.count())).toBe(1);
  });
});

describe('a read', () => {
  it.each<[string, (client: Database['client']) => PromiseLike<unknown>]>([
    ['findUnique', (client) => client.customer.findUnique({ where: { id: theirCustomer } })],
    [
      'findUnique by a compound key',
      (client) =>
        client.customer.findUnique({
          where: { organizationId_id: { organizationId: theirs.organizationId, id: theirCustomer } },
        }),
    ],
    ['findFirst', (client) => client.customer.findFirst({ where: { id: theirCustomer } })],
    [
      'a filter that names the other organization',
      (client) => client.customer.findFirst({ where: { organizationId: theirs.organizationId } }),
    ],
    [
      'a filter with OR',
      (client) => client.customer.findFirst({ where: { OR: [{ id: theirCustomer }, { name: 'no' }] } }),
    ],
    [
      'a filter with AND of its own',
      (client) => client.customer.findFirst({ where: { AND: [{ id: theirCustomer }] } }),
    ],
    ['a filter with NOT', (client) => client.customer.findFirst({ where: { NOT: { id: ourCustomer } } })],
    [
      'a filter on a relation',
      (client) => client.customer.findFirst({ where: { trackings: { some: { id: theirTracking } } } }),
    ],
    [
      'the organization itself',
      (client) => client.organization.findFirst({ where: { id: theirs.organizationId } }),
    ],
  ])('by %s finds nothing of another organization', async (_how, find) => {
    expect(await as(find)).toBeNull();
  });

  it('finds what is of its own', async () => {
    expect(await as((client) => client.customer.findUnique({ where: { id: ourCustomer } }))).toMatchObject({
      id: ourCustomer,
    });
    await expect(
      as((client) => client.customer.findUniqueOrThrow({ where: { id: theirCustomer } })),
    ).rejects.toMatchObject({ code: 'P2025' });
  });

  it('counts, aggregates and groups its own rows', async () => {
    expect(await as((client) => client.customer.count())).toBe(1);
    expect(await as((client) => client.customer.count({ select: { _all: true } }))).toEqual({ _all: 1 });
    expect(await as((client) => client.customer.aggregate({ _count: true }))).toEqual({ _count: 1 });
    expect(await as((client) => client.customer.groupBy({ by: ['name'], _count: true }))).toEqual([
      { name: 'Bakery', _count: 1 },
    ]);
  });

  it('goes on to related rows by the fluent interface', async () => {
    const tracking = await createTracking(ours, ourCustomer);
    const found = await as((client) => client.customer.findFirst({ where: { id: ourCustomer } }).trackings());
    expect(found?.map(({ id }) => id)).toEqual([tracking]);
  });
});

describe('what is soft-deleted', () => {
  let live: string;
  let deleted: string;

  beforeEach(async () => {
    live = await createTracking(ours, ourCustomer);
    deleted = await createTracking(ours, ourCustomer);
    await as((client) => client.tracking.update({ where: { id: deleted }, data: { deletedAt: new Date() } }));
  });

  it('is in no list, count or look-up', async () => {
    expect(await as((client) => client.tracking.findUnique({ where: { id: deleted } }))).toBeNull();
    expect(await as((client) => client.tracking.findMany({ select: { id: true } }))).toEqual([{ id: live }]);
    expect(await as((client) => client.tracking.count())).toBe(1);
  });

  it('is in no included relation', async () => {
    const [included, selected, counted, allCounted, fluent] = await as((client) =>
      Promise.all([
        client.customer.findFirst({ include: { trackings: true } }),
        client.customer.findFirst({ select: { trackings: { select: { id: true }, take: 5 } } }),
        client.customer.findFirst({ include: { _count: { select: { trackings: true } } } }),
        client.customer.findFirst({ include: { _count: true } }),
        client.customer.findFirst({ where: { id: ourCustomer } }).trackings(),
      ]),
    );
    expect(included?.trackings.map(({ id }) => id)).toEqual([live]);
    expect(selected?.trackings).toEqual([{ id: live }]);
    expect(counted?._count.trackings).toBe(1);
    expect(allCounted?._count.trackings).toBe(1);
    expect(fluent?.map(({ id }) => id)).toEqual([live]);
  });

  it('is in no relation of what a write answers with', async () => {
    const updated = await as((client) =>
      client.customer.update({
        where: { id: ourCustomer },
        data: { name: 'Inn' },
        include: { trackings: true },
      }),
    );
    expect(updated.trackings.map(({ id }) => id)).toEqual([live]);
  });

  it('does not count for a filter on a relation', async () => {
    const ids = (where: Prisma.CustomerWhereInput) =>
      as((client) => client.customer.findMany({ where, select: { id: true } })).then((rows) => rows.length);
    expect(await ids({ trackings: { some: { id: deleted } } })).toBe(0);
    expect(await ids({ trackings: { none: { id: deleted } } })).toBe(1);
    expect(await ids({ trackings: { every: { id: live } } })).toBe(1);
    expect(await ids({ trackings: { every: { id: deleted } } })).toBe(0);
    expect(await ids({ AND: [{ OR: [{ trackings: { some: { id: deleted } } }] }] })).toBe(0);
  });

  it('is not updated, by itself or along with others', async () => {
    const { count } = await as((client) => client.tracking.updateMany({ data: { name: 'renamed' } }));
    expect(count).toBe(1);
    await expect(
      as((client) => client.tracking.update({ where: { id: deleted }, data: { name: 'renamed' } })),
    ).rejects.toMatchObject({ code: 'P2025' });
    await as((client) =>
      client.customer.update({
        where: { id: ourCustomer },
        data: { trackings: { updateMany: { where: {}, data: { selector: '#x' } } } },
      }),
    );
    expect(await row('trackings', deleted)).toMatchObject({ selector: null });
    expect(await row('trackings', live)).toMatchObject({ selector: '#x' });
  });

  it('is found by who asks for it', async () => {
    const found = await as((client) => client.tracking.findMany({ where: { deletedAt: { not: null } } }));
    expect(found.map(({ id }) => id)).toEqual([deleted]);
  });

  it('is never deleted otherwise', async () => {
    await expect(as((client) => client.tracking.delete({ where: { id: live } }))).rejects.toThrow(
      IsolationError,
    );
    await expect(as((client) => client.tracking.deleteMany())).rejects.toThrow(IsolationError);
    for (const nested of [{ delete: { id: live } }, { deleteMany: {} }]) {
      await expect(
        as((client) => client.customer.update({ where: { id: ourCustomer }, data: { trackings: nested } })),
      ).rejects.toThrow(IsolationError);
    }
  });

  it('gives its unique values free', async () => {
    const { name } = await as((client) => client.tracking.findFirstOrThrow({ where: { id: live } }));
    await expect(createTracking(ours, ourCustomer, name)).rejects.toMatchObject({ code: 'P2002' });
    await as((client) => client.tracking.update({ where: { id: live }, data: { deletedAt: new Date() } }));
    await createTracking(ours, ourCustomer, name);
  });

  it('counts in no order, since Prisma could not filter it', async () => {
    await expect(
      as((client) => client.customer.findMany({ orderBy: { trackings: { _count: 'desc' } } })),
    ).rejects.toThrow(IsolationError);
  });
});

describe('a write', () => {
  it.each<[string, (client: Database['client']) => PromiseLike<unknown>]>([
    ['update', (client) => client.customer.update({ where: { id: theirCustomer }, data: { name: 'taken' } })],
    [
      'a nested update',
      (client) =>
        client.customer.update({
          where: { id: ourCustomer },
          data: { trackings: { update: { where: { id: theirTracking }, data: { name: 'taken' } } } },
        }),
    ],
    [
      'connect',
      (client) =>
        client.customer.update({
          where: { id: ourCustomer },
          data: { trackings: { connect: { id: theirTracking } } },
        }),
    ],
    [
      'connect of a parent',
      (client) =>
        client.tracking.create({
          data: { name: 'x', kind: 'PAGE_VIEW', customer: { connect: { id: theirCustomer } } },
        }),
    ],
    [
      'connect of another organization',
      (client) =>
        client.customer.create({
          data: { name: 'x', email: email(), organization: { connect: { id: theirs.organizationId } } },
        }),
    ],
    [
      'a foreign key by its value',
      (client) =>
        client.tracking.create({ data: { name: 'x', kind: 'PAGE_VIEW', customerId: theirCustomer } }),
    ],
    [
      'the organization by its value',
      (client) =>
        client.customer.create({
          data: { name: 'x', email: email(), organizationId: theirs.organizationId },
        }),
    ],
    [
      'createMany into it',
      (client) =>
        client.customer.createMany({
          data: [{ name: 'x', email: email(), organizationId: theirs.organizationId }],
        }),
    ],
    [
      'a move',
      (client) =>
        client.customer.update({
          where: { id: ourCustomer },
          data: { organizationId: theirs.organizationId },
        }),
    ],
    [
      'a nested move',
      (client) =>
        client.customer.update({
          where: { id: ourCustomer },
          data: {
            trackings: {
              updateMany: { where: {}, data: { organizationId: theirs.organizationId } as object },
            },
          },
        }),
    ],
  ])('by %s does not reach another organization', async (_how, write) => {
    const before = [await row('customers', theirCustomer), await row('trackings', theirTracking)];
    const count = await stored.owner.query('SELECT count(*) FROM customers WHERE organization_id = $1', [
      theirs.organizationId,
    ]);
    await expect(as(write)).rejects.toThrow();
    expect([await row('customers', theirCustomer), await row('trackings', theirTracking)]).toEqual(before);
    expect(
      (
        await stored.owner.query('SELECT count(*) FROM customers WHERE organization_id = $1', [
          theirs.organizationId,
        ])
      ).rows,
    ).toEqual(count.rows);
  });

  it('of many rows changes none of another organization', async () => {
    const { count } = await as((client) => client.customer.updateMany({ data: { name: 'renamed' } }));
    expect(count).toBe(1);
    const updated = await as((client) => client.customer.updateManyAndReturn({ data: { name: 'again' } }));
    expect(updated.map(({ id }) => id)).toEqual([ourCustomer]);
    expect(await row('customers', theirCustomer)).toMatchObject({ name: 'Bakery' });
  });

  it('nested in another, of many rows, changes none of another organization', async () => {
    const tracking = await createTracking(ours, ourCustomer);
    await as((client) =>
      client.organization.update({
        where: { id: ours.organizationId },
        data: { trackings: { updateMany: { where: {}, data: { selector: '#x' } } } },
      }),
    );
    expect(await row('trackings', tracking)).toMatchObject({ selector: '#x' });
    expect(await row('trackings', theirTracking)).toMatchObject({ selector: null });
  });

  it('by upsert creates where another organization has the row', async () => {
    await expect(
      as((client) =>
        client.customer.upsert({
          where: { id: theirCustomer },
          create: { name: 'ours', email: email() },
          update: { name: 'taken' },
        }),
      ),
    ).resolves.toMatchObject({ name: 'ours', organizationId: ours.organizationId });
    expect(await row('customers', theirCustomer)).toMatchObject({ name: 'Bakery' });
  });

  it('by connectOrCreate creates where another organization has the row', async () => {
    await as((client) =>
      client.customer.update({
        where: { id: ourCustomer },
        data: {
          trackings: {
            connectOrCreate: { where: { id: theirTracking }, create: { name: 'new', kind: 'PAGE_VIEW' } },
          },
        },
      }),
    );
    expect(await row('trackings', theirTracking)).toMatchObject({ customer_id: theirCustomer });
    expect(await as((client) => client.tracking.count())).toBe(1);
  });

  it('by delete and deleteMany reaches its own rows', async () => {
    const key = { key: 'k', fingerprint: Buffer.from('f'), status: 201, response: '{}' };
    await database.run(theirs, () => database.client.idempotencyKey.create({ data: key }));
    await expect(
      as((client) =>
        client.idempotencyKey.delete({
          where: { organizationId_key: { organizationId: theirs.organizationId, key: 'k' } },
        }),
      ),
    ).rejects.toMatchObject({ code: 'P2025' });
    expect(await as((client) => client.idempotencyKey.deleteMany())).toEqual({ count: 0 });
    expect(await database.run(theirs, () => database.client.idempotencyKey.count())).toBe(1);
  });

  it('stamps the organization, who did it and when, nested ones too', async () => {
    const forged = { createdBy: randomUUID() };
    const customer = await as((client) =>
      client.customer.create({
        data: {
          name: 'x',
          email: email(),
          ...forged,
          trackings: {
            create: [{ name: 'a', kind: 'PAGE_VIEW', ...forged }],
            createMany: { data: [{ name: 'b', kind: 'PURCHASE', ...forged }] },
          },
        },
        include: { trackings: true },
      }),
    );
    for (const { organizationId, createdBy } of [customer, ...customer.trackings]) {
      expect({ organizationId, createdBy }).toEqual({
        organizationId: ours.organizationId,
        createdBy: ours.userId,
      });
    }
    const updated = await as((client) =>
      client.customer.update({ where: { id: customer.id }, data: { name: 'y' } }),
    );
    expect(updated.updatedAt.getTime()).toBeGreaterThan(customer.updatedAt.getTime());
    await expect(
      as((client) => client.customer.update({ where: { id: customer.id }, data: { createdBy: null } })),
    ).rejects.toThrow(IsolationError);
  });
});

describe('an interactive transaction', () => {
  it('keeps organizations apart as well', async () => {
    await database.run(ours, () =>
      database.transaction(async (client) => {
        expect(await client.customer.findUnique({ where: { id: theirCustomer } })).toBeNull();
        expect(await client.customer.findMany({ select: { id: true } })).toEqual([{ id: ourCustomer }]);
        // The same where the code asks the database, and not the transaction that it was given.
        expect(await database.client.customer.count()).toBe(1);
        await expect(
          client.customer.update({ where: { id: theirCustomer }, data: { name: 'taken' } }),
        ).rejects.toMatchObject({ code: 'P2025' });
      }),
    );
  });

  it('is one transaction: what fails leaves nothing, also of what was written by the database', async () => {
    await expect(
      database.run(ours, () =>
        database.transaction(async () => {
          await database.client.customer.create({ data: { name: 'x', email: email() } });
          await database.transaction((inner) =>
            inner.customer.create({ data: { name: 'y', email: email() } }),
          );
          throw new Error('no');
        }),
      ),
    ).rejects.toThrow('no');
    expect(await as((client) => client.customer.count())).toBe(1);
  });

  it('in the form of a list runs in the scope', async () => {
    const [customers, trackings] = await database.run(ours, () =>
      access.client.$transaction([access.client.customer.findMany(), access.client.tracking.count()]),
    );
    expect(customers.map(({ id }) => id)).toEqual([ourCustomer]);
    expect(trackings).toBe(0);
  });

  it('cannot be taken over to another organization', async () => {
    await expect(
      database.run(ours, () => database.transaction(() => database.run(theirs, async () => 1))),
    ).rejects.toThrow(IsolationError);
    await expect(database.run(ours, () => database.run(theirs, async () => 1))).rejects.toThrow(
      IsolationError,
    );
  });

  it('is run again where PostgreSQL ended it for the sake of another', async () => {
    const other = await createCustomer(ours);
    const bothHaveOne = Promise.withResolvers<void>();
    let holders = 0;
    const waitForTheOther = () => {
      holders += 1;
      if (holders >= 2) bothHaveOne.resolve();
      return bothHaveOne.promise;
    };
    const rename = (ids: string[]) =>
      database.run(ours, () =>
        database.transaction(async (client) => {
          for (const [index, id] of ids.entries()) {
            if (index === 1) await waitForTheOther();
            await client.customer.update({ where: { id }, data: { version: { increment: 1 } } });
          }
        }),
      );
    // The second of each is the first of the other: a deadlock, unless one of them gives way.
    await Promise.all([rename([ourCustomer, other]), rename([other, ourCustomer])]);
    for (const id of [ourCustomer, other]) expect(await row('customers', id)).toMatchObject({ version: 3 });
  });
});

describe('SQL of its own', () => {
  it('goes through the door that names the organization', async () => {
    const names = await as(() =>
      database.sql<{ name: string }>(
        (organizationId) =>
          Prisma.sql`SELECT name FROM customers WHERE organization_id = ${organizationId}::uuid`,
      ),
    );
    expect(names).toEqual([{ name: 'Bakery' }]);
  });

  it('is refused where it does not', async () => {
    await expect(as(() => database.sql(() => Prisma.sql`SELECT name FROM customers`))).rejects.toThrow(
      IsolationError,
    );
  });

  it('is refused past the door, and without a scope', async () => {
    await expect(as((client) => client.$queryRaw`SELECT 1`)).rejects.toThrow(IsolationError);
    await expect(as((client) => client.$executeRaw`SELECT 1`)).rejects.toThrow(IsolationError);
    await expect(as((client) => client.$queryRawUnsafe('SELECT 1'))).rejects.toThrow(IsolationError);
    await expect(database.sql((id) => Prisma.sql`SELECT ${id}`)).rejects.toThrow(NoScopeError);
  });

  it('takes part in the transaction that is open', async () => {
    await database.run(ours, () =>
      database.transaction(async (client) => {
        await client.customer.create({ data: { name: 'x', email: email() } });
        const [found] = await database.sql<{ count: number }>(
          (id) =>
            Prisma.sql`SELECT count(*)::int AS count FROM customers WHERE organization_id = ${id}::uuid`,
        );
        expect(found?.count).toBe(2);
      }),
    );
  });
});

it('a person who signs in reaches nothing of organizations', async () => {
  const identity = { firebaseUid: 'someone', verifiedEmail: null, userId: null };
  await expect(database.run(identity, () => database.client.customer.findMany())).rejects.toThrow(
    IsolationError,
  );
});

it.each([['x'], ["' OR true --"], ['']])(
  'a scope does not name an organization by %j',
  async (organizationId) => {
    await expect(database.run({ organizationId, userId: null }, () => 1)).rejects.toThrow(TypeError);
  },
);
