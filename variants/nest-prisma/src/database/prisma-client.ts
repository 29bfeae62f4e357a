import { PrismaClient } from '../generated/prisma/client.js';
import { isolationExtension } from './isolation.extension.js';
import { ScopedPrismaPg } from './scoped-adapter.js';
import type { ScopedPool } from './scoped-pool.js';

/** Prisma's client as the service uses it: organizations are kept apart in each of its operations. */
export function createPrismaClient(pool: ScopedPool) {
  return new PrismaClient({ adapter: new ScopedPrismaPg(pool), errorFormat: 'minimal' }).$extends(
    isolationExtension,
  );
}

export type IsolatedClient = ReturnType<typeof createPrismaClient>;

/** The same inside of an interactive transaction. */
export type IsolatedTransaction = Parameters<Parameters<IsolatedClient['$transaction']>[0]>[0];
