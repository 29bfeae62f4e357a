/** Reads by Prisma's client alone, with row-level security, and with the isolation extension as well. No HTTP. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Figure } from './harness.ts';
import { compare, type Load } from './load.ts';

const dist = new URL('../dist/', import.meta.url);
const load = async <Module>(path: string) => (await import(new URL(path, dist).href)) as Module;
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

const TAKE = 21;
const ALONE = "Prisma's client alone";
const SECURED = "Prisma's client with row-level security";
const ISOLATED = "Prisma's client with row-level security and the isolation extension";

/** @param config of the service @param ownerUrl of the owner of the tables, for whom row-level security is off */
export async function clientFigures(
  config: Parameters<typeof createPool>[0],
  ownerUrl: string,
  organizationId: string,
  id: string,
): Promise<Figure[]> {
  const pool = createPool(config);
  const ownerPool = new pg.Pool({ connectionString: ownerUrl, max: config.DATABASE_POOL_MAX });
  const alone = new PrismaClient({ adapter: new PrismaPg(ownerPool), errorFormat: 'minimal' });
  const secured = new PrismaClient({ adapter: new ScopedPrismaPg(pool), errorFormat: 'minimal' });
  const isolated = createPrismaClient(pool);
  const own = { AND: [{ organizationId, deletedAt: null }] };
  const page = { orderBy: [{ createdAt: 'desc' as const }, { id: 'desc' as const }], take: TAKE };

  const reads = {
    'one customer': {
      [ALONE]: () => alone.customer.findFirst({ where: { id, ...own } }),
      [SECURED]: () => secured.customer.findFirst({ where: { id, ...own } }),
      [ISOLATED]: () => isolated.customer.findFirst({ where: { id } }),
    },
    'a page of customers': {
      [ALONE]: () => alone.customer.findMany({ where: own, ...page }),
      [SECURED]: () => secured.customer.findMany({ where: own, ...page }),
      [ISOLATED]: () => isolated.customer.findMany({ where: {}, ...page }),
    },
  };
  const figures = await scopes.run({ organizationId, userId: null }, async () => {
    const measured: Figure[] = [];
    for (const [what, clients] of Object.entries(reads)) {
      const results = await Promise.all(Object.values(clients).map((read) => read()));
      if (new Set(results.map((result) => JSON.stringify(result))).size > 1)
        throw new Error(`the clients do not read the same for ${what}`);
      const name = (client: string) => `${client}, ${what}`;
      const measures = Object.entries(clients).map(([client, read]) => [
        name(client),
        (callers: number, seconds: number) => call(read, callers, seconds),
      ]);
      const versus = { versus: [name(ALONE)] };
      measured.push(
        ...(await compare(
          Object.fromEntries(measures),
          { [name(SECURED)]: versus, [name(ISOLATED)]: versus },
          'caller',
        )),
      );
    }
    return measured;
  });
  await Promise.all([alone, secured, isolated].map((client) => client.$disconnect()));
  await Promise.all([pool.end(), ownerPool.end()]);
  return figures;
}

async function call(read: () => PromiseLike<unknown>, callers: number, seconds: number): Promise<Load> {
  const began = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() - began < seconds * 1_000) {
        if ((await read()) === null) throw new Error('customer not found');
        done += 1;
      }
    }),
  );
  return { responses: done, perSecond: (done * 1_000) / (performance.now() - began) };
}
