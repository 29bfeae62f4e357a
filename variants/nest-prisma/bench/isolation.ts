/**
 * What the isolation extension costs: reads through it, and the same reads through Prisma's client as it is, with the
 * organization and `deletedAt` in filters that are written by hand. Both use the same pool, under row-level security. Prints
 * how many a second each does, as JSON: a list of rounds.
 */
const dist = new URL('../dist/', import.meta.url);
const load = async <Module>(path: string) => (await import(new URL(path, dist).href)) as Module;
const { readConfig } = await load<typeof import('../src/config/config.js')>('config/config.js');
const { createPool } = await load<typeof import('../src/database/pool.js')>('database/pool.js');
const { createPrismaClient } =
  await load<typeof import('../src/database/prisma-client.js')>('database/prisma-client.js');
const { ScopedPrismaPg } = await load<typeof import('../src/database/scoped-adapter.js')>(
  'database/scoped-adapter.js',
);
const { scopes } = await load<typeof import('../src/database/scope.js')>('database/scope.js');
const { PrismaClient } = await load<typeof import('../src/generated/prisma/client.js')>(
  'generated/prisma/client.js',
);

const { ORGANIZATION_ID: organizationId = '', CUSTOMER_ID: id = '', ROUNDS, ROUND_SECONDS } = process.env;
const AT_ONCE = 64;
const TAKE = 21;

const pool = createPool(readConfig());
const isolated = createPrismaClient(pool);
const plain = new PrismaClient({ adapter: new ScopedPrismaPg(pool), errorFormat: 'minimal' });
const orderBy = [{ createdAt: 'desc' as const }, { id: 'desc' as const }];
const own = { AND: [{ organizationId, deletedAt: null }] };

const reads = {
  one: {
    isolated: () => isolated.customer.findFirst({ where: { id } }),
    plain: () => plain.customer.findFirst({ where: { id, ...own } }),
  },
  list: {
    isolated: () => isolated.customer.findMany({ where: {}, orderBy, take: TAKE }),
    plain: () => plain.customer.findMany({ where: own, orderBy, take: TAKE }),
  },
};

/** Reads by so many callers at once, per second. */
async function perSecond(read: () => PromiseLike<unknown>, seconds: number): Promise<number> {
  const began = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (performance.now() - began < seconds * 1_000) {
        if ((await read()) === null) throw new Error('there is no such customer');
        done += 1;
      }
    }),
  );
  return (done * 1_000) / (performance.now() - began);
}

const rounds = await scopes.run({ organizationId, userId: null }, async () => {
  const measured = [];
  for (let round = 0; round <= Number(ROUNDS); round += 1) {
    const seconds = Number(ROUND_SECONDS);
    // Each goes first in every second round: whoever is second finds the machine warmer.
    const order = round % 2 === 0 ? (['isolated', 'plain'] as const) : (['plain', 'isolated'] as const);
    const rates = { one: { isolated: 0, plain: 0 }, list: { isolated: 0, plain: 0 } };
    for (const kind of ['one', 'list'] as const)
      for (const client of order) rates[kind][client] = await perSecond(reads[kind][client], seconds);
    if (round > 0) measured.push(rates); // the first one warms up
  }
  return measured;
});
process.stdout.write(JSON.stringify(rounds));
await isolated.$disconnect();
await plain.$disconnect();
await pool.end();
