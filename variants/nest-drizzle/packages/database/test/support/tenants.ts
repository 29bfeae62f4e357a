import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { createPool } from '../../src/pool.js';
import { TenantDatabase } from '../../src/tenant-database.js';
import type { TestDatabase } from './database.js';

/** The service's own way to the database. */
export function connect(database: TestDatabase, max = 5): { pool: pg.Pool; tenants: TenantDatabase } {
  const pool = createPool(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: max,
      DATABASE_CONNECT_TIMEOUT_MS: 3_000,
      DATABASE_LOCK_TIMEOUT_MS: 500,
      DATABASE_STATEMENT_TIMEOUT_MS: 5_000,
      DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS: 10_000,
    },
    'test',
  );
  return { pool, tenants: new TenantDatabase(pool) };
}

export interface Tenant {
  readonly tenantId: string;
  readonly userId: string;
  readonly projectId: string;
}

/** A tenant with a user, who owns it, and a project of the given name. */
export async function createTenant(database: TestDatabase, projectName = 'Engine'): Promise<Tenant> {
  const [tenantId, userId, projectId] = [randomUUID(), randomUUID(), randomUUID()];
  const client = await database.owner.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true)`, [
      tenantId,
      userId,
    ]);
    await client.query('INSERT INTO tenants (id, name) VALUES ($1, $2)', [tenantId, `Tenant ${tenantId}`]);
    await client.query('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [
      userId,
      `${userId}@example.com`,
      'Ada',
    ]);
    await client.query('INSERT INTO passwords (user_id, hash) VALUES ($1, $2)', [
      userId,
      `hash of ${userId}`,
    ]);
    await client.query(`INSERT INTO memberships (tenant_id, user_id, role) VALUES ($1, $2, 'owner')`, [
      tenantId,
      userId,
    ]);
    await client.query('INSERT INTO projects (tenant_id, id, name) VALUES ($1, $2, $3)', [
      tenantId,
      projectId,
      projectName,
    ]);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
  return { tenantId, userId, projectId };
}
