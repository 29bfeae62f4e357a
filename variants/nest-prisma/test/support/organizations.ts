import { randomUUID } from 'node:crypto';
import { Database } from '../../src/database/database.js';
import { createPool } from '../../src/database/pool.js';
import { createPrismaClient, type IsolatedClient } from '../../src/database/prisma-client.js';
import type { OrganizationScope } from '../../src/database/scope.js';

/** The service's way to a database, without the service. */
export interface TestAccess {
  readonly database: Database;
  readonly client: IsolatedClient;
  close(): Promise<void>;
}

export function openDatabase(url: string, settings: { max?: number; lockTimeout?: number } = {}): TestAccess {
  const pool = createPool({
    DATABASE_URL: url,
    DATABASE_POOL_MAX: settings.max ?? 10,
    DATABASE_CONNECT_TIMEOUT_MS: 10_000,
    DATABASE_LOCK_TIMEOUT_MS: settings.lockTimeout ?? 5_000,
    DATABASE_STATEMENT_TIMEOUT_MS: 20_000,
    DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: 20_000,
    OTEL_SERVICE_NAME: 'test',
  });
  const client = createPrismaClient(pool);
  return {
    database: new Database(client, { maxWait: 10_000, timeout: 20_000 }),
    client,
    async close() {
      await client.$disconnect();
      await pool.end();
    },
  };
}

/** A new organization with nothing in it, and somebody who acts for it. */
export async function createOrganization(database: Database): Promise<OrganizationScope> {
  const scope = { organizationId: randomUUID(), userId: randomUUID() };
  await database.run(scope, () =>
    database.client.organization.create({ data: { id: scope.organizationId, name: 'Acme' } }),
  );
  return scope;
}
